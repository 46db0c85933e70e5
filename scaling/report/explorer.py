NUMBERS = ("explorer_program.js", "explorer_predictor.js")
