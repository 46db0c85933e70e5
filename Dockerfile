# The toolkit in a container. Two targets:
#   docker build --target light -t scaling:light .     fits, forecasts, figures, reports, plans
#   docker build --target train -t scaling:train .     training, too, on CPUs
#   docker run --rm -v "$PWD:/study" scaling:train study grid.toml
FROM python:3.13-slim AS light
RUN useradd --create-home scaling
COPY . /source
RUN pip install --no-cache-dir /source
USER scaling
WORKDIR /study
ENTRYPOINT ["scaling"]

FROM light AS train
USER root
RUN pip install --no-cache-dir '/source[train]'
USER scaling
