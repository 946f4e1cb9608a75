#include "base/shell_word.h"

#include "base/printable.h"

namespace tincan {

namespace {

TEST(ShellWord, IsLeftAsItIsWhereAShellTakesItAsItIs) {
  EXPECT_EQ(shell_word("/run/user/1000/app-1.2_x.sock"), "/run/user/1000/app-1.2_x.sock");
  EXPECT_EQ(shell_word("unix:./a@b+c,d%e"), "unix:./a@b+c,d%e");
}

TEST(ShellWord, IsQuotedWhereAShellWouldChangeIt) {
  EXPECT_EQ(shell_word("exec:cat -u"), "'exec:cat -u'");
  EXPECT_EQ(shell_word(""), "''");
  for (const char character : std::string_view(" \t\n$`\"\\*?[]{}()<>|&;#!~=^\x80")) {
    EXPECT_EQ(shell_word(std::string(1, character)), "'" + std::string(1, character) + "'");
  }
}

TEST(ShellWord, KeepsItsQuotes) { EXPECT_EQ(shell_word("it's"), "'it'\\''s'"); }

TEST(Printable, HasNoControlCharactersAndSaysThatItWasCut) {
  EXPECT_EQ(printable("a\nb\x7f\x1b[0m", 100), "a.b..[0m");
  EXPECT_EQ(printable("abcdef", 6), "abcdef");
  EXPECT_EQ(printable("abcdef", 3), "abc…");
}

}  // namespace

}  // namespace tincan
