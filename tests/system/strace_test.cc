// How many system calls a call costs, counted by strace(1): two in the client, three in the server;
// through a ring none but looks at whatever else may have happened.

#include <map>
#include <sstream>

#include "support/process.h"
#include "support/temporary_directory.h"

namespace tincan::test {

namespace {

constexpr int calls = 1000;

using SystemCalls = std::map<std::string, int>;

/// The system calls in the trace between the writing of "begin" and of "end".
SystemCalls between_marks(const std::string& trace) {
  SystemCalls counts;
  std::istringstream lines(trace);
  bool counting = false;
  for (std::string line; std::getline(lines, line);) {
    if (line.find("write(1, \"end") != std::string::npos) return counts;
    if (line.find("write(1, \"begin") != std::string::npos) {
      counting = true;
      continue;
    }
    const auto name = line.find_first_not_of("0123456789 ");
    const auto parenthesis = line.find('(');
    // A resumed call was counted when it began; signals and exits are no calls.
    if (!counting || name == std::string::npos || parenthesis == std::string::npos) continue;
    if (line[name] == '<' || line[name] == '+' || line[name] == '-') continue;
    ++counts[line.substr(name, parenthesis - name)];
  }
  ADD_FAILURE() << "no end in the trace";
  return counts;
}

std::string as_text(const SystemCalls& counts) {
  std::string text;
  for (const auto& [name, count] : counts) text += name + " " + std::to_string(count) + "\n";
  return text;
}

/// What the client and the server call while the one makes so many calls of the other, each started
/// as the kind of subject that is named.
struct Traced {
  SystemCalls of_client;
  SystemCalls of_server;
};
Traced trace(const char* client_kind, const char* server_kind) {
  const TemporaryDirectory directory;
  const auto traced = [&](const std::string& trace, std::vector<std::string> subject) {
    std::vector<std::string> command{"strace", "-f", "-o", directory / trace,
                                     binary("tests/strace_subject")};
    command.insert(command.end(), subject.begin(), subject.end());
    return Process::run(command);
  };
  auto server = traced("server", {server_kind, directory / "s"});
  EXPECT_TRUE(server.wait_for_output("ready")) << server.output();
  auto client = traced("client", {client_kind, directory / "s", std::to_string(calls)});
  EXPECT_EQ(client.wait(), 0) << client.output();
  EXPECT_EQ(server.wait(), 0) << server.output();
  return {between_marks(read_file(directory / "client")),
          between_marks(read_file(directory / "server"))};
}

class SystemCallsTest : public testing::Test {
 protected:
  void SetUp() override {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    GTEST_SKIP() << "a sanitizer makes system calls of its own";
#endif
    auto probe = Process::run({"strace", "-o", "/dev/null", "true"});
    if (probe.wait() != 0) GTEST_SKIP() << "strace cannot be used here: " << probe.output();
  }
};

TEST_F(SystemCallsTest, OfACallAreTwoInTheClientAndThreeInTheServer) {
  Traced traced = trace("client", "server");
  const SystemCalls of_client{{"sendto", calls}, {"recvfrom", calls}};
  SystemCalls& made = traced.of_client;
  // The deadline is renewed when the thread was held up on its way from the clock to the wait.
  EXPECT_LE(made["setsockopt"], calls / 100);
  made.erase("setsockopt");
  EXPECT_EQ(as_text(made), as_text(of_client));
  // Between the marks lie the answer to "begin" and the arrival of "end" too: one call more.
  const SystemCalls of_server{
      {"epoll_wait", calls + 1}, {"recvfrom", calls + 1}, {"sendto", calls + 1}};
  EXPECT_EQ(as_text(traced.of_server), as_text(of_server));
}

TEST_F(SystemCallsTest, OfCallsThroughARingAreLooksAtTheSocketAlone) {
  Traced traced = trace("ring-client", "spinning-server");
  for (SystemCalls* const made : {&traced.of_client, &traced.of_server}) {
    made->erase("epoll_wait");  // of which there are more the longer a call is waited for
    EXPECT_EQ(as_text(*made), "");
  }
}

}  // namespace

}  // namespace tincan::test
