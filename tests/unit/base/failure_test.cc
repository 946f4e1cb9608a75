#include "tincan/failure.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <set>

#include "support/process.h"

namespace tincan {
namespace {

TEST(Failure, ExplainsACallByHowFarItGot) {
  EXPECT_EQ(Failure(Outcome::not_sent, Cause::deadline, "no answer within 200 ms").explain(),
            "not sent: no answer within 200 ms");
  EXPECT_EQ(Failure(Outcome::unknown, Cause::deadline, "no answer within 200 ms").explain(),
            "unknown: no answer within 200 ms; the server may have run the call");
  EXPECT_EQ(Failure(Outcome::declared, Cause::declared, "no such job").with_code(7).explain(),
            "declared: no such job (code 7)");
}

TEST(Failure, ExplainsWhereNoServerWasReachedAsNotSent) {
  EXPECT_EQ(Failure(Cause::no_server, "/run/app.sock: nobody listens there; start the server",
                    ECONNREFUSED)
                .explain(),
            "not sent: /run/app.sock: nobody listens there; start the server");
  EXPECT_EQ(Failure(Cause::not_tincan, "./x said something else").explain(),
            "not sent: ./x said something else");
}

TEST(Failure, ExplainsLocalOperationsWithoutAnOutcome) {
  EXPECT_EQ(Failure(Cause::held, "/run/app.sock is held by pid 4312 (/usr/bin/appd)").explain(),
            "/run/app.sock is held by pid 4312 (/usr/bin/appd)");
  EXPECT_EQ(Failure(Cause::deadline, "nobody connected").explain(), "nobody connected");
  EXPECT_EQ(Failure(Outcome::not_sent, Cause::too_large, "5 bytes; the limit is 4").explain(),
            "5 bytes; the limit is 4");
  EXPECT_EQ(Failure(Cause::refused, "uid 1002 (bob) matches no rule; allowed: group ops").explain(),
            "refused: uid 1002 (bob) matches no rule; allowed: group ops");
}

TEST(Failure, NamesTheSystemErrorWhereNothingElseDoes) {
  EXPECT_EQ(Failure(Cause::system, "poll", EIO).explain(), "poll (Input/output error)");
  EXPECT_EQ(Failure(Cause::system, "poll: Input/output error", EIO).explain(),
            "poll: Input/output error");
  EXPECT_EQ(Failure(Cause::exhausted, {}, EMFILE).explain(),
            "out of descriptors, memory or places; try later (Too many open files)");
}

TEST(Failure, HasASentenceAndANameForEveryCause) {
  std::set<std::string> sentences;
  std::set<std::string_view> names;
  for (int cause = 0; cause <= static_cast<int>(Cause::system); ++cause) {
    const std::string sentence = Failure(static_cast<Cause>(cause)).explain();
    EXPECT_GT(sentence.size(), 10u);
    EXPECT_FALSE(sentence.ends_with('.')) << sentence;
    sentences.insert(sentence);
    names.insert(name(static_cast<Cause>(cause)));
  }
  EXPECT_EQ(sentences.size(), static_cast<std::size_t>(Cause::system) + 1);
  EXPECT_EQ(names.size(), static_cast<std::size_t>(Cause::system) + 1);
  EXPECT_EQ(names.count("?"), 0u);
}

TEST(Failure, EndsASmallProgramWithItsSentence) {
  auto program = test::Process::fork([] {
    const int value = or_exit(Result<int>(7));
    or_exit(Result<void>());
    if (value != 7) return 9;
    or_exit(Result<int>(std::unexpected(Failure(Cause::usage, "no such option"))));
    return 0;
  });
  EXPECT_EQ(program.wait(), 1);
  EXPECT_NE(program.output().find("no such option\n"), std::string::npos) << program.output();
}

}  // namespace
}  // namespace tincan
