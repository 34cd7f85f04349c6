"""The negative suite through the Python binding, whose scaffolding Kotlin and Swift use too.

Usage: smoke.py CASES, the folder that `cargo xtask ffi-test` writes; PYTHONPATH has the binding.
"""

import pathlib
import sys
import threading

import weir

ERRORS = {
    weir.WeirError.Missing: "missing",
    weir.WeirError.NotYet: "not_yet",
    weir.WeirError.NeedsUpdate: "needs_update",
    weir.WeirError.Invalid: "invalid",
}


def verify(task, about, state, question, evidence, timing):
    """Does what a case asks for; returns the answer, or the state to keep."""
    if task == "checkpoint":
        return weir.TrustedState.from_checkpoint(about, evidence).to_bytes()
    if task == "file":
        return weir.verify_file(about, evidence, timing, weir.View.WHOLE)
    if task == "tree":
        return weir.verify_tree(about, question, evidence)
    trusted = weir.TrustedState.from_bytes(state)
    if task == "hops":
        trusted.apply_hops(evidence, timing)
    elif task == "answer":
        return trusted.verify(question, evidence, timing, weir.View.WHOLE)
    elif task != "trusted_state":
        raise ValueError(task)
    return trusted.to_bytes()


def verdict(*case):
    """Verdict, rule, and what is verified."""
    try:
        value = verify(*case)
    except tuple(ERRORS) as error:
        return ERRORS[type(error)], error.rule, None
    return "verified", "-", value


def run_suite(cases):
    """Runs all cases; returns honest ones as (evidence, how to verify it)."""
    wrong, counts, honest = 0, {}, []
    for line in (cases / "cases.tsv").read_text(encoding="utf-8").splitlines():
        name, task, due, rule, now, period, about, question, state, evidence = line.split("\t")
        timing = weir.timing_at(int(now))
        if period != "-":
            timing.trusting_period_ms = int(period)
        read = lambda file: b"" if file == "-" else (cases / file).read_bytes()
        state, evidence = read(state), read(evidence)
        *found, value = verdict(task, about, state, question, evidence, timing)
        if tuple(found) != (due, rule):
            print(f"{name}: due {due} {rule}, found {found}")
            wrong += 1
        counts[due] = counts.get(due, 0) + 1
        if due == "verified" and evidence:
            honest.append((task, about, state, question, evidence, timing, value))
    assert all(counts.get(verdict, 0) > 10 for verdict in ("verified", "missing", "not_yet", "invalid"))
    return wrong, sum(counts.values()), honest


def check_flips(honest):
    """With one flipped byte honest evidence proves nothing, or, where the byte is in a part that
    this client does without, the same."""
    refused = 0
    for task, about, state, question, evidence, timing, value in honest:
        damaged = bytearray(evidence)
        damaged[len(damaged) // 2] ^= 1
        found, _, other = verdict(task, about, state, question, bytes(damaged), timing)
        refused += found != "verified"
        assert other in (None, value), (task, about, question)
    assert refused > 25


def check_arguments(honest):
    """What callers get wrong is said so, and does no harm."""
    _, _, state, question, evidence, timing, _ = next(case for case in honest if case[0] == "answer")
    trusted = weir.TrustedState.from_bytes(state)
    before = trusted.to_bytes()
    for wrong in ("", "{}", '{"block": "latest", "topic": "snapshot"}', "[" * 10_000):
        try:
            trusted.verify(wrong, evidence, timing, weir.View.WHOLE)
            raise AssertionError(wrong)
        except weir.WeirError.Usage as error:
            assert error.rule == "Argument"
    assert trusted.to_bytes() == before
    held = trusted.held()
    assert held.checkpoint_id.hex() == trusted.checkpoint().block_id
    assert held.head_id.hex() == trusted.head().block_id
    assert held.newest_epoch_counter == trusted.newest_epoch_counter()
    assert held.preimage_ids and all(len(one) == 32 for one in held.preimage_ids)
    # Several threads at once: the first moves the head, and so what the others hold.
    found = []
    case = (question, evidence, timing, weir.View.WHOLE)
    threads = [threading.Thread(target=ask, args=(trusted, case, found)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4 and "verified" in found and "invalid" not in found


def ask(trusted, case, found):
    """Asks once, and notes how it ended."""
    try:
        trusted.verify(*case)
        found.append("verified")
    except tuple(ERRORS) as error:
        found.append(ERRORS[type(error)])


def main():
    wrong, count, honest = run_suite(pathlib.Path(sys.argv[1]))
    check_flips(honest)
    check_arguments(honest)
    print(f"Python: {count - wrong} passed, {wrong} failed")
    sys.exit(wrong != 0)


main()
