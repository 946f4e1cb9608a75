"""`tincan bench --report`: a page that needs nothing but itself, whatever the results are."""

import copy
import html.parser
import json
import os
import re
import shutil
import unittest

import tool
from tool import FAILED, SUCCESS

WORKS = ("round trip", "one way", "fan-in", "set-up", "payload", "idle")
EVIL = "<b onx='1'>&\"';\nset output '{0}'\n!touch {0}\n`touch {0}` \u202e"


class Page(html.parser.HTMLParser):
    """What is wrong with a page: tags that do not end, scripts, names that are there twice, and
    what it would have to load."""

    WITHOUT_END = {"meta", "br", "hr", "img", "input"}

    def __init__(self, text):
        super().__init__()
        self.open, self.faults, self.plots, self.names = [], [], 0, set()
        self.feed(text)
        self.faults += self.open

    def handle_starttag(self, tag, attributes):
        if tag not in self.WITHOUT_END:
            self.open.append(tag)
        self.handle_startendtag(tag, attributes)

    def handle_startendtag(self, tag, attributes):
        for name, value in attributes:
            loads = name == "src" or name == "href" and tag != "a" and not value.startswith("#")
            if loads or name.startswith("on"):
                self.faults.append(f"{tag} {name}={value}")
            if name == "id" and value in self.names:
                self.faults.append(f"another {value}")
            if name == "id":
                self.names.add(value)
        if tag in ("script", "link"):
            self.faults.append(tag)
        self.plots += tag == "svg"

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append("/" + tag)


class Report(tool.Tool):
    patience = 3 * tool.PATIENCE  # a run is many trials
    results = None

    def setUp(self):
        super().setUp()
        if not shutil.which("gnuplot"):
            self.skipTest("gnuplot is not installed: scripts/packages installs it")
        if Report.results is None:
            Report.results = self.measure()

    def measure(self):
        """A little of everything."""
        tables = []
        # As little as every plot needs: on one CPU, beside others, those that spin take seconds,
        # and idle connections are looked at for long.
        for work, placement, *others in (
                ("round-trip", "free", "--size", "100,1KiB"),
                ("round-trip", "same", "--size", "1KiB"),
                ("one-way", "free", "--size", "100,1KiB"),
                ("fan-in", "free", "--size", "1KiB", "--clients", "1,2"),
                ("set-up,idle", "free", "--size", "64"),
                ("payload", "free", "--size", "64KiB")):
            status, output, errors = self.run_tool(
                "bench", "--work", work, "--placement", placement, *others, "--ways",
                "TCP, IPv4,pipe,memory,tincan,eventfd", "--rounds", "3", "--round-time", "1ms",
                "--json")
            self.assertEqual((status, errors), (SUCCESS, b""))
            tables += json.loads(output)["tables"]
        return {**json.loads(output), "tables": tables}

    def write(self, results, folder="report", **options):
        """Status, what was said, and the page."""
        source = os.path.join(self.folder, "results.json")
        with open(source, "w", encoding="utf-8") as file:
            json.dump(results, file)
        status, _, errors = self.run_tool("bench", "--from", source, "--report", folder, **options)
        path = os.path.join(self.folder, folder, "index.html")
        if status != SUCCESS:
            return status, errors.decode(), None
        with open(path, encoding="utf-8") as file:
            return status, errors.decode(), file.read()

    def assert_good(self, results):
        status, errors, text = self.write(results)
        self.assertEqual((status, errors), (SUCCESS, ""))
        self.assertTrue(text.startswith("<!DOCTYPE html>"))
        self.assertEqual(Page(text).faults, [])
        self.assertEqual(re.findall(r"(?<![a-z])(?:nan|inf)(?![a-z])", text), [])
        # What stands in a script of gnuplot for words and for colours of the page.
        self.assertEqual(re.findall(r">\s*b\d+e\s*<|rgb\(", text), [])
        return text

    def test_has_plots_tables_words_and_the_machine(self):
        text = self.assert_good(self.results)
        self.assertGreaterEqual(Page(text).plots, 6)
        for words in ("In words", "When to use what", "IPC-Bench", "127,582", "All numbers",
                      "The machine"):
            self.assertIn(words, text)
        for row in self.results["tables"][0]["rows"]:
            self.assertIn(row["way"], text)

    def test_shows_the_numbers_of_a_row(self):
        results = copy.deepcopy(self.results)
        results["tables"] = results["tables"][:1]
        (row,) = (row for row in results["tables"][0]["rows"] if row["way"] == "unix stream")
        row.update(time={"p50": 12_345, "p90": 20_000, "p99": 99_960, "p999": 1_204_000,
                         "max": 2e9, "mean": 850},
                   per_second={"median": 81_300, "low": 80_000, "high": 2_975_000},
                   cpu={"client": 3000, "server": 5200}, bytes_per_second=1.234e9,
                   ratio={"median": 1.844, "low": 0.951, "high": 340})
        cells = re.search(r">unix stream</th>(.*?)</tr>", self.assert_good(results))[1]
        self.assertEqual(re.findall(r"<td>(.*?)</td>", cells.replace("\xa0", " "))[:9], [
            "12.3 µs", "20.0 µs", "100 µs", "1.20 ms", "2.00 s",
            "81,300<small>80,000 – 2.98 M</small>", "1.23 GB/s",
            "1.84<small>0.95 – 340</small>", "8.20 µs<small>3.00 µs + 5.20 µs</small>"])

    def test_explains_relative_times_where_they_stand(self):
        tables = re.findall(r"<details.*?</details>", self.assert_good(self.results), re.S)
        self.assertEqual(len(tables), len(self.results["tables"]))
        explained = ["Times are relative to" in table for table in tables]
        self.assertEqual(explained, [">relative time</th>" in table for table in tables])
        self.assertEqual(set(explained), {True, False})  # idle connections have none

    def test_of_any_part_of_the_results_is_good(self):
        for work in WORKS:
            tables = [table for table in self.results["tables"] if table["work"] == work]
            self.assertTrue(tables, work)
            self.assert_good({**self.results, "tables": tables})
        self.assert_good({**self.results, "tables": []})

    def test_of_rows_that_failed_or_took_no_time_is_good(self):
        failed = copy.deepcopy(self.results)
        zero = copy.deepcopy(self.results)
        for table in failed["tables"]:
            for row in table["rows"]:
                row["failed"] = "nothing has come back for 20 s: given up"
        for table in zero["tables"]:
            for row in table["rows"]:
                if row.get("time"):
                    row["time"] = dict.fromkeys(row["time"], 0)
                if row.get("per_second"):
                    row["per_second"] = dict.fromkeys(row["per_second"], 0)
                    row["cpu"] = {"client": 0, "server": 0}
                row["histogram"] = []
        self.assertIn("nothing has come back", self.assert_good(failed))
        self.assert_good(zero)

    def with_sockets_that_take(self, times_as_long):
        results = copy.deepcopy(self.results)
        for table in results["tables"]:
            for row in table["rows"]:
                row["ratio"] = None
                if row["way"] == "unix stream" and row.get("per_second"):
                    row["per_second"] = {key: value / times_as_long for key, value
                                         in row["per_second"].items()}
                    if row["time"]:
                        row["time"] = {key: times_as_long * value for key, value
                                       in row["time"].items()}
        return results

    def test_says_what_the_results_bear_out_and_nothing_that_they_contradict(self):
        words = "Why Unix sockets beat TCP"
        self.assertIn(words, self.assert_good(self.with_sockets_that_take(0.001)))
        self.assertNotIn(words, self.assert_good(self.with_sockets_that_take(1000)))

    def test_says_nothing_of_what_the_rounds_leave_open(self):
        for heading, way, median, low, high in (
                ("Why Unix sockets beat TCP", "TCP, IPv4", 2, 1.5, 3),
                ("TCP on loopback: no difference here", "TCP, IPv4", 2, 0.5, 3),
                ("Where pipes beat Unix sockets", "pipe", 0.5, 0.4, 0.6),
                ("Pipes did not beat Unix sockets here", "pipe", 0.5, 0.4, 1.2)):
            results = copy.deepcopy(self.results)
            for table in results["tables"]:
                for row in table["rows"]:
                    if row["way"] == way:
                        row["ratio"] = {"median": median, "low": low, "high": high}
            self.assertIn(heading, self.assert_good(results))

    def test_takes_no_text_for_markup_or_commands(self):
        trap = os.path.join(self.folder, "trap")
        evil = EVIL.format(trap)

        def with_evil(value, kept):
            """Each text in it but those called so."""
            if isinstance(value, dict):
                return {key: inner if key in kept else with_evil(inner, kept)
                        for key, inner in value.items()}
            if isinstance(value, list):
                return [with_evil(inner, kept) for inner in value]
            return value + evil if isinstance(value, str) else value

        odd = copy.deepcopy(self.results)
        odd["machine"].update(virtual="yes", warnings=["one"], mitigations="on", governor="fast")
        odd["tables"][0]["rows"][-1] = {"way": "a", "does": "b", "bytes": 1, "failed": "why"}
        odd["tables"].append({**odd["tables"][0], "beside": "others"})
        # Without those names the words, the plots and the tables say less.
        for kept in (("work", "placement", "way"), ("work", "placement"), ("work",)):
            text = self.assert_good(with_evil(odd, kept))
            self.assertFalse(os.path.exists(trap))
            self.assertNotIn("\u202e", text)
            self.assertNotIn("<b onx", text)

    def test_replaces_a_page_and_nothing_else(self):
        folder = os.path.join(self.folder, "report")
        os.mkdir(folder)
        for name in ("index.html", "mine.txt"):
            with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                file.write("before")
        self.assertIn("All numbers", self.assert_good(self.results))
        self.assertEqual(sorted(os.listdir(folder)), ["index.html", "mine.txt"])
        mask = os.umask(0)
        os.umask(mask)
        mode = os.stat(os.path.join(folder, "index.html")).st_mode
        self.assertEqual(mode & 0o777, 0o666 & ~mask)  # others read it, too

    def test_without_gnuplot_names_it_before_anything_is_measured(self):
        status, output, errors = self.run_tool("bench", "--report", "report",
                                               env={**os.environ, "PATH": "/nowhere"})
        self.assertEqual((status, output), (FAILED, b""))
        self.assertEqual(errors, b"tincan: gnuplot is missing, which draws the plots of the "
                                 b"report: install the package gnuplot-nox\n")

    def test_that_cannot_be_written_names_the_place(self):
        with open(os.path.join(self.folder, "file"), "w", encoding="utf-8"):
            pass
        status, errors, _ = self.write(self.results, folder="file")
        self.assertEqual(status, FAILED)
        self.assertIn("cannot write file: Not a directory", errors)

    def test_that_cannot_be_written_leaves_nothing_behind(self):
        folder = os.path.join(self.folder, "report")
        os.makedirs(os.path.join(folder, "index.html"))
        status, errors, _ = self.write(self.results)
        self.assertEqual(status, FAILED)
        self.assertIn("cannot write report/index.html: Is a directory", errors)
        self.assertEqual(os.listdir(folder), ["index.html"])


if __name__ == "__main__":
    unittest.main()
