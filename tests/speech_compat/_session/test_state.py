from __future__ import annotations

import pytest

from speech_compat._session.state import State

# The diagram: each state with the next one after a stop, an exit and a close.
TRANSITIONS = {
    State.RUNNING: (State.STOPPING, State.EXITING, State.RUNNING),
    State.STOPPING: (State.STOPPING, State.STOPPING, State.ABORTED),
    State.EXITING: (State.STOPPING, State.EXITING, State.DETACHED),
    State.ABORTED: (State.ABORTED, State.ABORTED, State.ABORTED),
    State.DETACHED: (State.ABORTED, State.DETACHED, State.DETACHED),
    State.ENDED: (State.ENDED, State.ENDED, State.ENDED),
}


@pytest.mark.parametrize("state", State)
def test_the_transitions_are_those_of_the_diagram(state: State) -> None:
    assert (state.on_stop(), state.on_exit(), state.on_close()) == TRANSITIONS[state]


@pytest.mark.parametrize("state", State)
def test_what_happened_stays_true_until_the_end(state: State) -> None:
    for after in (state.on_stop(), state.on_exit(), state.on_close()):
        assert after.stopped >= state.stopped
        assert after.closed >= state.closed


def test_a_stop_during_the_exit_counts_as_a_stop() -> None:
    assert State.EXITING.exiting
    assert not State.EXITING.stopped
    assert State.EXITING.on_stop().stopped
    assert not State.EXITING.on_stop().exiting
