"""`tincan bench`: what it measures, says, refuses, and leaves behind."""

import copy
import csv
import io
import json
import os
import re
import shlex
import signal
import unittest

import tool
from tool import FAILED, SUCCESS, USAGE, eventually

BRIEFLY = ("--rounds", "2", "--round-time", "1ms")


class Bench(tool.Tool):
    patience = 3 * tool.PATIENCE  # a run is many trials

    def setUp(self):
        super().setUp()
        self.scratch = os.path.join(self.folder, "scratch")
        os.mkdir(self.scratch)
        self.environment = {**os.environ, "TMPDIR": self.scratch}

    def bench(self, *arguments):
        return self.run_tool("bench", *arguments, env=self.environment)

    def results(self, *arguments):
        status, output, errors = self.bench(*arguments, "--json")
        self.assertEqual((status, errors), (SUCCESS, b""))
        return json.loads(output)

    def tearDown(self):
        self.assertEqual(os.listdir(self.scratch), [])


def results_of(ratio):
    """As a run of one way writes them, with a number of its own everywhere."""
    row = {"way": 'a "quoted", long way', "does": "", "bytes": 64, "rounds": 3, "operations": 30,
           "time": {"p50": 1, "p90": 2, "p99": 3, "p999": 4, "max": 5, "mean": 6},
           "per_second": {"median": 7, "low": 8, "high": 9}, "bytes_per_second": 10,
           "cpu": {"client": 11, "server": 12}, "switches": 13, "system_calls": 14,
           "ratio": {"median": ratio, "low": ratio - 1, "high": ratio + 1}, "memory": None,
           "histogram": [[1, 30]]}
    table = {"work": "round trip", "bytes": 64, "placement": "free", "beside": None, "clients": 1,
             "rate": None, "baseline": "another", "rows": [row]}
    return {"date": "2026-11-26T09:07:00Z", "machine": {"warnings": []}, "tables": [table]}


def broken_results():
    """Each with one thing missing, or of another kind."""
    def places(value, path=()):
        yield path
        children = value.items() if isinstance(value, dict) else enumerate(value)
        for key, child in children:
            yield from places(child, (*path, key)) if isinstance(child, (dict, list)) else [
                (*path, key)]

    whole = results_of(15)
    for number, (*path, last) in enumerate(place for place in places(whole) if place):
        for change in (None, (7, "words", [], {})[number % 4]):
            broken = copy.deepcopy(whole)
            inner = broken
            for key in path:
                inner = inner[key]
            if change is None:
                del inner[last]
            else:
                inner[last] = change
            if isinstance(broken.get("tables"), list) and "machine" in broken:
                yield broken


class Results(Bench):
    def test_have_every_way_that_does_a_work(self):
        results = self.results("--work", "round-trip", "--placement", "free", "--size", "1KiB",
                               *BRIEFLY)
        (table,) = results["tables"]
        ways = {row["way"]: row for row in table["rows"]}
        for name in ("unix stream", "unix seqpacket", "unix datagram", "TCP, IPv4", "UDP, IPv4",
                     "pipe", "FIFO", "POSIX queue", "System V queue", "eventfd", "signal",
                     "mapped file", "memory, spinning", "memory, futex", "memory, looking",
                     "tincan, socket", "tincan, ring", "tincan"):
            row = ways[name]
            self.assertNotIn("failed", row)
            self.assertEqual(row["rounds"], 2)
            time = row["time"]
            self.assertLessEqual(0, time["p50"])
            self.assertLessEqual(time["p50"], time["p99"])
            self.assertLessEqual(time["p99"], time["max"])
            self.assertEqual(sum(count for _, count in row["histogram"]), row["operations"])
            self.assertGreater(row["cpu"]["client"] + row["cpu"]["server"], 0)
        self.assertEqual(ways["unix stream"]["ratio"]["median"], 1)

    def test_have_the_command_as_a_shell_takes_it(self):
        arguments = ("--ways", "unix stream", "--work", "idle", "--placement", "free")
        results = self.results(*arguments)
        self.assertEqual(shlex.split(results["command"]),
                         ["tincan", "bench", *arguments, "--json"])

    def test_have_times_relative_to_the_baselines_and_what_both_sides_do(self):
        results = self.results("--work", "round-trip", "--placement", "same", "--size", "100",
                               "--ways", "pipe", "--rounds", "1", "--round-time", "5ms")
        rows = {row["way"]: row for row in results["tables"][0]["rows"]}
        ours, baseline = rows["pipe"], rows["unix stream"]
        self.assertAlmostEqual(ours["ratio"]["median"],
                               ours["time"]["p50"] / baseline["time"]["p50"])
        self.assertGreater(ours["switches"], 1)  # they share a CPU, and wait for each other

    def test_have_every_work(self):
        results = self.results("--work", "one-way,fan-in,set-up,payload,idle", "--placement",
                               "free", "--size", "8KiB", "--ways", "unix stream,tincan",
                               "--clients", "2", *BRIEFLY)
        works = {table["work"] for table in results["tables"]}
        self.assertEqual(works, {"one way", "fan-in", "set-up", "payload", "idle"})
        for table in results["tables"]:
            for row in table["rows"]:
                self.assertNotIn("failed", row)
                if table["work"] == "idle":
                    self.assertLess(row["memory"]["server_bytes"], 100_000)
                else:
                    self.assertGreater(row["bytes_per_second"], 0)

    def test_leave_out_what_a_way_does_not_carry_and_say_why(self):
        results = self.results("--work", "round-trip", "--size", "64KiB", "--placement", "free",
                               "--ways", "POSIX queue,eventfd", *BRIEFLY)
        rows = {row["way"]: row for row in results["tables"][0]["rows"]}
        self.assertIn("at most here", rows["POSIX queue"]["left_out"])
        self.assertIn("8 bytes only", rows["eventfd"]["left_out"])

    def test_of_a_rate_begin_so_many_operations(self):
        results = self.results("--work", "round-trip", "--rate", "1000", "--placement", "free",
                               "--ways", "unix stream", "--size", "100", "--rounds", "2",
                               "--round-time", "50ms")
        (row,) = [row for row in results["tables"][0]["rows"] if row["way"] == "unix stream"]
        self.assertEqual(row["operations"], 2 * 50)
        self.assertEqual(results["tables"][0]["rate"], 1000)


class Output(Bench):
    def test_is_tables_of_at_most_100_columns(self):
        status, output, errors = self.bench(
            "--work", "round-trip,one-way,payload,idle", "--size", "8KiB", "--placement", "free",
            "--ways", "unix stream,tincan", *BRIEFLY)
        self.assertEqual((status, errors), (SUCCESS, b""))
        tables = output.decode()
        self.assertLessEqual(max(len(line) for line in tables.splitlines()), 100)
        self.assertIn("Round trip of 8 KiB", tables)
        self.assertRegex(tables, r"(?m)^tincan, ring +\d")

    def test_can_be_read_again_as_text_csv_and_beside_new_ones(self):
        arguments = ("--work", "round-trip", "--placement", "free", "--size", "100", "--ways",
                     "pipe", *BRIEFLY)
        results = self.results(*arguments)
        earlier = os.path.join(self.folder, "earlier.json")
        with open(earlier, "w", encoding="utf-8") as file:
            json.dump(results, file)
        status, output, _ = self.bench("--from", earlier)
        self.assertEqual(status, SUCCESS)
        self.assertRegex(output.decode(), r"(?m)^pipe +\d")
        status, output, _ = self.bench("--from", earlier, "--csv")
        rows = list(csv.DictReader(io.StringIO(output.decode())))
        self.assertEqual([row["way"] for row in rows], ["unix stream", "pipe"])
        self.assertEqual(rows[1]["p50_ns"], str(results["tables"][0]["rows"][1]["time"]["p50"]))
        status, output, _ = self.bench(*arguments, "--compare", earlier)
        self.assertEqual(status, SUCCESS)
        self.assertRegex(output.decode(), r"2 rows are in both; \d of them as before")

    def written(self, name, results):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            json.dump(results, file)
        return path

    def test_as_csv_has_each_number_in_its_column(self):
        status, output, _ = self.bench("--from", self.written("now", results_of(15)), "--csv")
        self.assertEqual(status, SUCCESS)
        (row,) = csv.DictReader(io.StringIO(output.decode()))
        self.assertEqual(row, {
            "work": "round trip", "bytes": "64", "placement": "free", "beside": "",
            "clients": "1", "rate": "", "way": 'a "quoted", long way', "rounds": "3",
            "operations": "30", "p50_ns": "1", "p90_ns": "2", "p99_ns": "3", "p999_ns": "4",
            "max_ns": "5", "mean_ns": "6", "per_second": "7", "per_second_low": "8",
            "per_second_high": "9", "bytes_per_second": "10", "client_cpu_ns": "11",
            "server_cpu_ns": "12", "switches": "13", "system_calls": "14", "ratio": "15",
            "ratio_low": "14", "ratio_high": "16", "server_bytes": "", "kernel_bytes": "",
            "note": ""})

    def test_beside_an_earlier_one_names_what_differs_by_more_than_the_rounds(self):
        earlier = self.written("earlier", results_of(15))
        for ratio, words in ((16, "1 rows are in both; 1 of them as before"),
                             (30, "30 of the baseline, 15 then: +100 %"),
                             (30, "1 rows are in both; 0 of them as before")):
            now = self.written("now", results_of(ratio))
            status, output, _ = self.bench("--from", now, "--compare", earlier)
            self.assertEqual(status, SUCCESS)
            self.assertIn(words, output.decode())

    def test_lists_the_ways(self):
        status, output, _ = self.bench("--list")
        self.assertEqual(status, SUCCESS)
        self.assertRegex(output.decode(), r"(?m)^unix stream +socket\(AF_UNIX, SOCK_STREAM\)")


class Mistakes(Bench):
    def complaint(self, *arguments):
        status, output, errors = self.bench(*arguments)
        self.assertEqual(output, b"")
        return status, errors.decode()

    def test_in_arguments_are_named(self):
        for arguments, words in ((("--work", "gossip"), "gossip is not round-trip, one-way"),
                                 (("--size", "many"), "many is not a size"),
                                 (("--size", "0"), "0 is not a size"),
                                 (("--placement", "moon"), "moon is not different, same or free"),
                                 (("--clients", "0"), "0 is not a number of clients"),
                                 (("--rate", "fast"), "fast is not a rate"),
                                 (("--rounds", "0"), "0 is not a number from 1"),
                                 (("--ways", "pipe,telepathy"),
                                  "no way has telepathy in its name; see tincan bench --list"),
                                 (("--baseline", "unix"),
                                  "no way is called unix; see tincan bench --list"),
                                 (("--ways", "signal", "--baseline", "signal", "--work", "idle"),
                                  "there is nothing to be measured"),
                                 (("--quick", "--full"), "--quick")):
            status, errors = self.complaint(*arguments)
            self.assertEqual(status, USAGE, arguments)
            self.assertIn(words, errors)

    def test_in_files_are_found_before_anything_is_measured(self):
        missing = os.path.join(self.folder, "missing.json")
        self.assertEqual(self.complaint("--compare", missing),
                         (FAILED, f"tincan: {missing}: No such file or directory\n"))
        other = os.path.join(self.folder, "other.json")
        with open(other, "w", encoding="utf-8") as file:
            file.write('{"tables": 3}')
        status, errors = self.complaint("--from", other)
        self.assertEqual(status, FAILED)
        self.assertIn("has no results of `tincan bench --json`", errors)

    def test_in_the_results_of_others_are_found_whatever_is_missing(self):
        path = os.path.join(self.folder, "broken")
        for broken in broken_results():
            with open(path, "w", encoding="utf-8") as file:
                json.dump(broken, file)
            for arguments in ((), ("--csv", "--compare", path)):
                status, _, errors = self.bench("--from", path, *arguments)
                if status != SUCCESS:
                    self.assertEqual(status, FAILED, broken)
                    self.assertIn(b"no results of `tincan bench --json`", errors, broken)

    def test_in_the_environment_are_found_before_anything_is_measured(self):
        self.environment["TMPDIR"] = "/nowhere"
        self.assertEqual(self.complaint("--quick"),
                         (FAILED, "tincan: cannot make a directory in /nowhere, which TMPDIR can "
                                  "change: No such file or directory\n"))

    def test_without_peers_say_how_to_build_them(self):
        status, errors = self.complaint("--peers-from", self.folder, "--quick")
        self.assertEqual(status, FAILED)
        self.assertIn("cmake --preset peers", errors)


class NamesOfOthers(Bench):
    EVIL = "\x1b]0;owned\x07\rname"

    def test_do_not_steer_the_terminal(self):
        results = results_of(15)
        table, row = results["tables"][0], results["tables"][0]["rows"][0]
        results["remarks"] = results["machine"]["warnings"] = [self.EVIL]
        table["beside"] = results["date"] = row["way"] = self.EVIL
        table["rows"] += [{"way": "another", "bytes": 1, "failed": self.EVIL},
                          {"way": "third", "bytes": 1, "left_out": self.EVIL}]
        path = os.path.join(self.folder, "results")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(results, file)
        status, output, _ = self.bench("--from", path, "--compare", path)
        self.assertEqual(status, SUCCESS)
        self.assertEqual(output.count(b"\\x1b]0;owned\\x07\\x0dname"), 7)
        self.assertNotRegex(output, rb"[\x00-\x09\x0b-\x1f]")

    def test_do_not_steer_it_in_the_list_of_ways(self):
        peer = os.path.join(self.folder, "peer")
        with open(peer, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\nprintf 'tincan-bench-peer 1\\n\\033]0;owned\\ndoes \\033\\n0 \\n"
                       "1 2 3 0\\n'\n")
        os.chmod(peer, 0o755)
        status, output, _ = self.bench("--list", "--peers-from", self.folder)
        self.assertEqual(status, SUCCESS)
        self.assertIn(b"\\x1b]0;owned", output)
        self.assertNotIn(b"\x1b", output)

    def test_are_no_formulas_in_csv(self):
        results = results_of(15)
        row = results["tables"][0]["rows"][0]
        for name in ("=1+1", "+1", "-1", "@SUM(1)", "\rname"):
            row["way"] = name
            path = os.path.join(self.folder, "results")
            with open(path, "w", encoding="utf-8") as file:
                json.dump(results, file)
            status, output, _ = self.bench("--from", path, "--csv")
            self.assertEqual(status, SUCCESS)
            (line,) = csv.DictReader(io.StringIO(output.decode(), newline=""))
            self.assertEqual(line["way"], "'" + name)


class Ends(Bench):
    def test_not_at_a_signal_that_was_ignored_before(self):
        process = self.start(
            command=["bash", "-c", "trap '' HUP; exec \"$@\"", "bash", tool.TINCAN, "bench",
                     "--ways", "pipe", "--work", "round-trip", "--placement", "free",
                     "--size", "100", *BRIEFLY], env=self.environment)
        self.assertTrue(eventually(lambda: os.listdir(self.scratch)))
        process.send_signal(signal.SIGHUP)
        process.communicate(timeout=tool.PATIENCE)
        self.assertEqual(process.returncode, SUCCESS)

    def test_well_where_the_ends_of_children_are_ignored(self):
        process = self.start(
            command=["bash", "-c", "trap '' CHLD; exec \"$@\"", "bash", tool.TINCAN, "bench",
                     "--ways", "pipe", "--work", "round-trip", "--placement", "free",
                     "--size", "100",
                     "--report", os.path.join(self.folder, "report"), *BRIEFLY],
            env=self.environment)
        _, errors = process.communicate(timeout=tool.PATIENCE)
        self.assertEqual((process.returncode, errors), (SUCCESS, b""))

    def test_at_a_signal_and_leaves_nothing_behind(self):
        for ending in (signal.SIGINT, signal.SIGTERM):
            process = self.start("bench", "--full", env=self.environment)
            self.assertTrue(eventually(lambda: os.listdir(self.scratch)))
            process.send_signal(ending)
            _, errors = process.communicate(timeout=tool.PATIENCE)
            self.assertEqual(process.returncode, FAILED)
            self.assertIn(b"interrupted", errors)
            self.assertEqual(os.listdir(self.scratch), [])

    def test_at_a_signal_as_soon_as_there_is_something_to_leave(self):
        # Before it measures, it sees whether it can make a directory.
        for _ in range(20):
            process = self.start("bench", "--full", env=self.environment)
            while not os.listdir(self.scratch):
                self.assertIsNone(process.poll())
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=tool.PATIENCE)
            self.assertEqual(process.returncode, FAILED)
            self.assertEqual(os.listdir(self.scratch), [])

    def test_when_its_reader_leaves_and_leaves_nothing_behind(self):
        process = self.start("bench", "--full", "--ways", "pipe", *BRIEFLY, env=self.environment)
        process.stdout.readline()
        process.stdout.close()
        self.assertEqual(process.wait(tool.PATIENCE), -signal.SIGPIPE)
        self.assertEqual(os.listdir(self.scratch), [])

    def test_with_a_failure_where_a_way_fails_and_goes_on_with_the_others(self):
        # Paths of Unix sockets have at most 107 bytes: who needs one fails, and no other.
        deep = os.path.join(self.folder, "d" * 100)
        os.mkdir(deep)
        status, output, _ = self.run_tool(
            "bench", "--work", "round-trip", "--placement", "free", "--size", "100", "--ways",
            "pipe,FIFO", *BRIEFLY, env={**os.environ, "TMPDIR": deep})
        self.assertEqual(status, FAILED)
        text = output.decode()
        self.assertRegex(text, r"(?m)^unix stream +FAILED: \S+ is too long$")
        self.assertTrue(re.search(r"(?m)^pipe +\d", text))
        self.assertEqual(os.listdir(deep), [])


if __name__ == "__main__":
    unittest.main()
