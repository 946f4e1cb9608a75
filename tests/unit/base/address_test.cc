#include "tincan/address.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "tincan/limits.h"

namespace tincan {
namespace {

Address parsed(std::string_view text) {
  auto address = Address::parse(text);
  EXPECT_TRUE(address) << text;
  return address.value_or(Address());
}

std::string fault(std::string_view text) {
  const auto address = Address::parse(text);
  if (address) return "";
  EXPECT_EQ(address.error().cause(), Cause::usage) << text;
  return address.error().detail();
}

TEST(Address, WithoutASchemeIsAPath) {
  for (const char* path : {"./app.sock", "/run/app.sock", "app.sock", "./fd:3", "/a:b", "dir/x:y",
                           "A:b", ":x", "9:x", "a b", "ü:x"}) {
    const Address address = parsed(path);
    EXPECT_EQ(address.kind(), Address::Kind::path) << path;
    EXPECT_EQ(address.name(), path);
    EXPECT_EQ(address.text(), path);
  }
}

TEST(Address, ReadsEveryScheme) {
  EXPECT_EQ(parsed("unix:/run/app.sock").name(), "/run/app.sock");
  EXPECT_EQ(parsed("unix:fd:3").name(), "fd:3");
  EXPECT_EQ(parsed("unix:fd:3").text(), "unix:fd:3");
  EXPECT_EQ(parsed("unix-abstract:app").kind(), Address::Kind::abstract);
  EXPECT_EQ(parsed("unix-abstract:app").name(), "app");
  EXPECT_EQ(parsed("fd:17").kind(), Address::Kind::descriptor);
  EXPECT_EQ(parsed("fd:17").descriptor(), 17);
  EXPECT_EQ(parsed("systemd:").kind(), Address::Kind::systemd);
  EXPECT_EQ(parsed("systemd:web").name(), "web");
  EXPECT_EQ(parsed("exec:/bin/cat -n  x").kind(), Address::Kind::exec);
  EXPECT_EQ(parsed("exec:/bin/cat -n  x").arguments(),
            (std::vector<std::string>{"/bin/cat", "-n", "x"}));
}

TEST(Address, SaysWhatIsWrong) {
  EXPECT_EQ(fault(""), "the address is empty");
  EXPECT_NE(fault(std::string_view("a\0b", 3)).find("NUL"), std::string::npos);
  EXPECT_EQ(fault("nats://host/x"),
            "the address \"nats://host/x\" has an unknown scheme; for a file of that name write "
            "./nats://host/x");
  for (const char* text : {"unix:", "unix-abstract:", "fd:", "fd:-1", "fd:3x", "fd:+3", "fd: 3",
                           "fd:99999999999", "systemd:a:b", "exec:", "exec:  ", "foo:bar"}) {
    EXPECT_NE(fault(text), "") << text;
  }
}

TEST(Address, RefusesWhatLinuxWouldTruncate) {
  EXPECT_TRUE(Address::parse(std::string(limits::path_bytes_max, 'x')));
  EXPECT_NE(fault(std::string(limits::path_bytes_max + 1, 'x')).find("4096"), std::string::npos);
  EXPECT_TRUE(Address::parse("unix-abstract:" + std::string(107, 'x')));
  EXPECT_NE(fault("unix-abstract:" + std::string(108, 'x')), "");
}

TEST(Address, TextParsesToTheSame) {
  rc::check([](const std::string& text) {
    const auto address = Address::parse(text);
    RC_PRE(address.has_value());
    const auto again = Address::parse(address->text());
    RC_ASSERT(again.has_value());
    RC_ASSERT(again->kind() == address->kind());
    RC_ASSERT(again->name() == address->name());
    RC_ASSERT(again->arguments() == address->arguments());
  });
}

}  // namespace
}  // namespace tincan
