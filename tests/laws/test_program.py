"""A law as a list of operations: what it says, and which laws cannot be written down."""

from __future__ import annotations

from dataclasses import replace

import pytest

from scaling import laws
from scaling.errors import InputError
from scaling.laws.program import OPERATIONS, optimum_program, program_of

# Neither is of N and D: one takes an absolute value, the other the largest of an array.
REFUSED = {"m4", "repeated_pool"}


def test_only_these_laws_cannot_be_written_down() -> None:
    refused = set()
    for name in laws.names():
        try:
            program = program_of(laws.get(name))
        except InputError:
            refused.add(name)
        else:
            assert {step[0] for step in program.steps} <= {*OPERATIONS, "constant"}
    assert refused == REFUSED


def test_what_is_held_is_a_constant() -> None:
    program = program_of(laws.get("muennighoff"), {"D_unique": 1e10})
    assert "D_unique" not in program.inputs
    assert ("constant", 1e10) in program.steps


def test_equal_operations_are_done_once() -> None:
    law = replace(
        laws.get("finetune"), predict=lambda N, D, *, A, alpha, beta, E: N**alpha + N**alpha
    )
    assert [step[0] for step in program_of(law).steps] == ["power", "add"]


def test_a_law_that_is_one_of_its_inputs() -> None:
    law = replace(laws.get("finetune"), predict=lambda N, D, *, A, alpha, beta, E: E)
    program = program_of(law)
    assert program.steps[-1][:2] == ("add", program.inputs.index("E"))


def test_a_law_that_asks_for_a_value_is_named() -> None:
    asks = replace(laws.get("chinchilla"), name="asks", predict=lambda N, D, **p: N if N > 1 else D)
    with pytest.raises(InputError, match=r"law asks cannot be written down.*asks for a value"):
        program_of(asks)
    with pytest.raises(InputError, match=r"law repeated_pool cannot .* numpy\.max is not among"):
        program_of(laws.get("repeated_pool"))


def test_a_closed_form_goes_along_where_there_is_one() -> None:
    found = optimum_program(laws.get("chinchilla"))
    assert found is not None
    assert found.inputs[0] == "C"
    assert optimum_program(laws.get("farseer")) is None
