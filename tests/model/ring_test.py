"""Goes through all states of ring.pml with Spin: as it is, and with each bug that it can plant."""

import os
import re
import shutil
import subprocess
import tempfile
import unittest

MODEL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "ring.pml")
DEPTH_MAX = 10_000

SLEEPS_FOR_EVER = "invalid end state"
IS_LOST = "assertion violated (((delivered[i]==1)||is_killed[0])||is_killed[1])"
IS_TWICE = "assertion violated (delivered[i]<=1)"
IS_LOST_IN_A_DEATH = "assertion violated ((((delivered[i]==1)||(i>=memory[0]))"

PLANTED = {
    # No wake-up is lost.
    "PUBLISHES_RELEASE": SLEEPS_FOR_EVER,
    "RELEASES_RELEASE": SLEEPS_FOR_EVER,
    "SLEEPS_RELEASE": SLEEPS_FOR_EVER,
    "LOOKS_BEFORE_IT_PUBLISHES": SLEEPS_FOR_EVER,
    "HAS_NO_SECOND_LOOK": SLEEPS_FOR_EVER,
    # A death is noticed, and what was published before it is read.
    "DOES_NOT_WATCH_THE_SOCKET": SLEEPS_FOR_EVER,
    "FORGETS_WHAT_THE_DEAD_PUBLISHED": IS_LOST_IN_A_DEATH,
    # In a revocation each byte gets across once.
    "REVOKES_RELEASE": IS_LOST,
    "LOOKS_BEFORE_IT_REVOKES": IS_LOST,
    "DOES_NOT_LOOK_FOR_A_REVOCATION": SLEEPS_FOR_EVER,
    "READS_ON_AFTER_IT_REVOKED": IS_TWICE,
}


def run(folder, *command):
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssertionError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
    return done.stdout


class Ring(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="tincan-model-")
        self.addCleanup(shutil.rmtree, self.folder)

    def search(self, optimization, *flags):
        """What the checker says about the model with the bugs that `flags` plant."""
        trail = os.path.join(self.folder, "ring.pml.trail")
        if os.path.exists(trail):
            os.remove(trail)
        run(self.folder, "spin", *flags, "-a", MODEL)
        run(self.folder, "gcc", "-w", "-DSAFETY", optimization, "-o", "pan", "pan.c")
        said = run(self.folder, "./pan", f"-m{DEPTH_MAX}", "-w22")
        self.assertNotIn("max search depth too small", said)
        return said

    def way(self, *flags):
        """The steps that led to the error found last."""
        return run(self.folder, "spin", *flags, "-t", "-p", "-k", "ring.pml.trail", MODEL)

    def test_is_sound(self):
        said = self.search("-O2")
        if "errors: 0" not in said:
            self.fail(said + self.way())
        print(re.search(r"\d+ states, stored", said).group(0))
        for process in ("Producer", "Consumer", "Death", "init"):  # all that they can do was done
            self.assertRegex(said, rf"unreached in (proctype )?{process}\n\t\(0 of")

    def test_finds_what_is_planted(self):
        for define, error in PLANTED.items():
            with self.subTest(define):
                said = self.search("-O0", f"-D{define}")  # found at once: compiling is what lasts
                self.assertIn("errors: 1", said)
                if error not in said:
                    self.fail(said + self.way(f"-D{define}"))


if __name__ == "__main__":
    unittest.main()
