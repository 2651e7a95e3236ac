"""Actors that take turns at each of their requests, in an order that a test chooses; one may be killed at any."""

import threading

from tests.integration.killing import Killed

STEP = 0.01


class Stage:
    """Lets one actor at a time go on to its next request. Time passes by steps, and when all of them sleep."""

    def __init__(self):
        self.now = 1_000_000.0
        self._actors = {}

    def clock(self):
        return self.now

    def sleep(self, seconds):
        self._actor().wake = self.now + seconds
        self.pause()

    def pause(self):
        """Before a request of an actor: wait for the turn. Who is no actor goes on at once."""
        actor = self._actor()
        if actor is None:
            return
        actor.waits.set()
        actor.turn.wait(60)
        actor.turn.clear()
        if actor.killed:
            raise Killed

    def play(self, acts, turns):
        """Run acts to their ends, side by side; returns what each raised, None where it raised nothing.

        turns: pairs (which of those that could go on does so, whether it is killed instead); when there are no more,
        they take turns.
        """
        self._actors = {}
        actors = [_Actor(act) for act in acts]
        for actor in actors:
            thread = threading.Thread(target=actor.run, daemon=True)
            self._actors[thread] = actor
            thread.start()
        turns = iter(turns)
        for number in range(100_000):
            for actor in actors:
                assert actor.waits.wait(60)
            able = [actor for actor in actors if not actor.ended]
            if not able:
                return [actor.raised for actor in actors]
            self.now += STEP
            awake = [actor for actor in able if actor.wake <= self.now]
            if not awake:
                self.now = min(actor.wake for actor in able)
                continue
            which, killed = next(turns, (number, False))
            actor = awake[which % len(awake)]
            actor.killed = actor.killed or killed
            actor.waits.clear()
            actor.turn.set()
        message = "they never end"
        raise AssertionError(message)

    def _actor(self):
        return self._actors.get(threading.current_thread())


class _Actor:
    def __init__(self, act):
        self._act = act
        self.waits, self.turn = threading.Event(), threading.Event()
        self.wake = 0.0
        self.killed = self.ended = False
        self.raised = None

    def run(self):
        # It begins with its first turn.
        self.waits.set()
        self.turn.wait(60)
        self.turn.clear()
        try:
            self._act()
        except BaseException as error:  # noqa: BLE001  # the test looks at it
            self.raised = error
        self.ended = True
        self.waits.set()
