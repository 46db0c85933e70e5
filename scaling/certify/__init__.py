"""Published fits certified: data, published digits, our digits, and NIST's nonlinear problems."""

from scaling.certify.case import Case, Certificate, certify
from scaling.certify.cases import CASES, Refused, choose, run

__all__ = ["CASES", "Case", "Certificate", "Refused", "certify", "choose", "run"]
