"""The man pages, the completions and --help name the same options and exit codes."""

import os
import re
import subprocess
import unittest

import tool

CLI = os.path.join(tool.SOURCE, "cli")


def read(*path):
    with open(os.path.join(CLI, *path), encoding="utf-8") as file:
        return file.read()


def exit_codes():
    """code: meaning, from --help, which prints the one table."""
    text = subprocess.run([tool.TINCAN, "--help"], check=True, capture_output=True, text=True,
                          timeout=tool.PATIENCE).stdout
    return re.findall(r"^  (\d)  (.+)$", text, re.MULTILINE)


class ManPages(unittest.TestCase):
    def test_each_names_the_options_of_its_command_and_no_others(self):
        for command in ("", *tool.COMMANDS):
            page = read("man", f"tincan-{command}.1" if command else "tincan.1")
            body = page.split(".SH OPTIONS")[1].split("\n.SH ")[0].replace("\\-", "-")
            named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", body))
            if command:
                self.assertEqual(named, tool.long_options(command), command)
            else:
                self.assertLessEqual(tool.long_options(""), named)

    def test_each_has_the_table_of_exit_codes(self):
        table = exit_codes()
        self.assertEqual([code for code, _ in table], ["0", "1", "2", "3", "4", "5", "6"])
        for name in os.listdir(os.path.join(CLI, "man")):
            found = re.findall(r"\.TP\n\.B (\d)\n(.+)\n", read("man", name))
            self.assertEqual(found, table, name)

    def test_each_is_well_formed(self):
        for name in os.listdir(os.path.join(CLI, "man")):
            page = read("man", name)
            self.assertRegex(page, rf"\A\.TH {name[:-2].upper()} 1 ")
            self.assertIn("\n.SH NAME\n", page)
            # A line that begins with a dot or a quote and is no macro would vanish.
            self.assertEqual(re.findall(r"^'.*", page, re.MULTILINE), [], name)
            macros = set(re.findall(r"^\.(\S+)", page, re.MULTILINE))
            self.assertLessEqual(macros, {"TH", "SH", "TP", "PP", "B", "I", "BR", "RB", "RI", "BI",
                                          "IB", "IR", "br", "nf", "fi"}, name)

    def test_the_first_page_names_the_others(self):
        for command in tool.COMMANDS:
            self.assertIn(f"tincan\\-{command} (1)", read("man", "tincan.1"))


class Completions(unittest.TestCase):
    def bash(self, *words, program="tincan"):
        """What bash offers for the last of `words`."""
        script = ('source "$1"; shift; compopt() { :; }; COMP_WORDS=("$@"); '
                  'COMP_CWORD=$(($# - 1)); _tincan; printf "%s\\n" "${COMPREPLY[@]}"')
        done = subprocess.run(
            ["bash", "-c", script, "bash", os.path.join(CLI, "completions", "tincan.bash"),
             program, *words], capture_output=True, text=True, timeout=tool.PATIENCE, check=True)
        self.assertEqual(done.stderr, "")
        return set(done.stdout.split())

    def test_bash_knows_the_commands(self):
        self.assertEqual(self.bash(""), {*tool.COMMANDS, "--help", "--version"})
        self.assertEqual(self.bash("se"), {"serve"})

    def test_bash_knows_every_option(self):
        for command in tool.COMMANDS:
            self.assertEqual(self.bash(command, "--"), tool.long_options(command), command)

    def test_bash_completes_the_command_that_is_served(self):
        self.assertIn("cat", self.bash("serve", "./x", "--", "ca"))
        self.assertEqual(self.bash("serve", "./x", "--", "cat", "--js"), set())

    def test_bash_knows_short_options(self):
        for command, short in (("serve", {"-h"}), ("call", {"-h", "-v"}),
                               ("ping", {"-h", "-c", "-s", "-i"}), ("bytes", {"-h", "-v"}),
                               ("bench", {"-h", "-s"})):
            self.assertEqual(self.bash(command, "-"), tool.long_options(command) | short)

    def test_bash_knows_that_no_options_follow_two_dashes(self):
        for command in ("call", "ping", "bytes"):
            self.assertEqual(self.bash(command, "./x", "--", "--"), set(), command)

    def test_bash_knows_values(self):
        self.assertEqual(self.bash("call", "--timeout", "2"), {"200ms", "2s"})
        self.assertIn("root", self.bash("serve", "--allow-uid", "roo"))
        self.assertIn("64KiB", self.bash("ping", "-s", ""))

    def test_zsh_knows_every_command_and_option(self):
        text = read("completions", "_tincan")
        common, listen = (re.search(rf"  {name}=\((.*?)\n  \)", text, re.DOTALL).group(1)
                          for name in ("common", "listen"))
        for command in tool.COMMANDS:
            self.assertIn(f"'{command}:", text)
            body = re.search(rf"^    {command}\)\n(.*?);;$", text,
                             re.DOTALL | re.MULTILINE).group(1)
            body = body.replace("$common", common).replace("$listen", listen)
            named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", body))
            self.assertEqual(named, tool.long_options(command), command)


class Methods(tool.Tool):
    def test_bash_asks_the_server(self):
        self.serve(self.path, "--echo", "--method", "job.run", "--method", "job.status")
        for words, expected in (((self.path, "job."), {"job.run", "job.status"}),
                                (("--timeout", "2s", self.path, "-v", "job.r"), {"job.run"}),
                                ((self.path, "job.run", "job."), set()),
                                (("./none", "job."), set()), (("exec:false", "job."), set())):
            self.assertEqual(Completions.bash(self, "call", *words, program=tool.TINCAN), expected)


if __name__ == "__main__":
    unittest.main()
