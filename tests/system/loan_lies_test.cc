// Clients that hand over what is no such memory, or say of it what cannot be (promises 13 and 14).

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <atomic>
#include <functional>

#include "system/loans.h"
#include "system/raw_loans.h"

namespace tincan::test {
namespace {

constexpr std::size_t lied_bytes = 64 * 1024;

/// What a client may send in place of memory.
struct BadLoan {
  const char* name;
  Handover kind;
  Descriptor (*make)();
  const char* reason;
};

class BadLoans : public ::testing::TestWithParam<BadLoan> {};

TEST_P(BadLoans, EndThatCallAndNothingElse) {
  const Descriptor bad = GetParam().make();
  if (!bad) GTEST_SKIP() << "this machine has no such file";
  LoanServer server;
  server.run();
  Client bystander = server.connect();
  RawLoans liar(server.path());
  ASSERT_TRUE(liar.ask());
  ASSERT_TRUE(liar.hand_over(1, GetParam().kind, lied_bytes, bad.get()));
  ASSERT_TRUE(liar.name(1, 1, 1000));
  EXPECT_NE(liar.answer().find(GetParam().reason), std::string::npos);
  // It may hand over something better.
  const Descriptor good = good_memory(lied_bytes, GetParam().kind);
  ASSERT_TRUE(liar.hand_over(2, GetParam().kind, lied_bytes, good.get()));
  ASSERT_TRUE(liar.name(2, 2, 1000));
  EXPECT_EQ(liar.answer(), "0");
  EXPECT_TRUE(bystander.call("size", "", unhurried));
  EXPECT_EQ(server->counts().breaches, 0u);
  EXPECT_EQ(server->counts().calls, 2u);
}

constexpr unsigned view_seals = size_seals_of_loans | F_SEAL_FUTURE_WRITE;

INSTANTIATE_TEST_SUITE_P(
    Of, BadLoans,
    ::testing::Values(
        BadLoan{"no_seals", Handover::shared_view, [] { return memory_of(lied_bytes, 0); },
                "not sealed"},
        BadLoan{"memory_that_others_write", Handover::shared_view,
                [] { return memory_of(lied_bytes, size_seals_of_loans); }, "not sealed"},
        BadLoan{"immutable_memory_that_is_written", Handover::immutable,
                [] { return memory_of(lied_bytes, view_seals); }, "not sealed"},
        BadLoan{"memory_that_shrinks", Handover::shared_view,
                [] { return memory_of(lied_bytes, F_SEAL_GROW | F_SEAL_FUTURE_WRITE); },
                "not sealed"},
        BadLoan{"memory_that_grows", Handover::shared_view,
                [] { return memory_of(lied_bytes, F_SEAL_SHRINK | F_SEAL_FUTURE_WRITE); },
                "not sealed"},
        BadLoan{"short_memory", Handover::shared_view,
                [] { return memory_of(lied_bytes - 4096, view_seals); }, "another size"},
        BadLoan{"long_memory", Handover::shared_view,
                [] { return memory_of(lied_bytes + 4096, view_seals); }, "another size"},
        BadLoan{"sparse_memory", Handover::shared_view,
                [] {
                  Descriptor file(::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
                  EXPECT_EQ(::ftruncate(file.get(), lied_bytes), 0);
                  EXPECT_EQ(::fcntl(file.get(), F_ADD_SEALS, view_seals), 0);
                  return file;
                },
                "without all of its pages"},
        BadLoan{"a_file_on_disk", Handover::immutable,
                [] { return Descriptor(::open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)); },
                "no file in memory"},
        BadLoan{"a_socket", Handover::immutable,
                [] { return Descriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)); },
                "no file in memory"},
        BadLoan{"a_pipe", Handover::immutable,
                [] {
                  int ends[2];
                  EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
                  ::close(ends[1]);
                  return Descriptor(ends[0]);
                },
                "no file in memory"},
        BadLoan{"a_path", Handover::immutable,
                [] { return Descriptor(::open("/tmp", O_PATH | O_CLOEXEC)); }, "no file in memory"},
        BadLoan{"huge_pages", Handover::shared_view,
                [] { return memory_of(lied_bytes, view_seals, MFD_HUGETLB); }, "not in tmpfs"},
        BadLoan{"memory_opened_for_writing_alone", Handover::shared_view,
                [] {
                  const Descriptor file = memory_of(lied_bytes, view_seals);
                  const std::string name = "/proc/self/fd/" + std::to_string(file.get());
                  return Descriptor(::open(name.c_str(), O_WRONLY | O_CLOEXEC));
                },
                "cannot be mapped"}),
    [](const auto& one) { return std::string(one.param.name); });

TEST(GoodLoans, AreAlsoMemoryThatWasOpenedForReading) {
  LoanServer server;
  server.run();
  RawLoans client(server.path());
  ASSERT_TRUE(client.ask());
  const Descriptor file = good_memory(lied_bytes, Handover::shared_view);
  const std::string name = "/proc/self/fd/" + std::to_string(file.get());
  const Descriptor readable(::open(name.c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(client.hand_over(1, Handover::shared_view, lied_bytes, readable.get()));
  ASSERT_TRUE(client.name(1, 1, lied_bytes));
  EXPECT_EQ(client.answer(), "0");
}

/// What ends a connection. Memory 1 is a shared view, and good.
struct LoanFraud {
  const char* name;
  std::function<void(RawLoans&)> commit;
};

class LoanFrauds : public ::testing::TestWithParam<LoanFraud> {};

TEST_P(LoanFrauds, EndTheConnectionAndNoOther) {
  LoanServer server;
  server.run();
  Client bystander = server.connect();
  const Loan held = filled(bystander.loan(lied_bytes, Handover::shared_view), 1);
  ASSERT_TRUE(bystander.call("sum", held, unhurried));
  RawLoans liar(server.path());
  ASSERT_TRUE(liar.ask());
  const Descriptor good = good_memory(lied_bytes, Handover::shared_view);
  ASSERT_TRUE(liar.hand_over(1, Handover::shared_view, lied_bytes, good.get()));
  ASSERT_TRUE(liar.name(1, 1, 1000));
  ASSERT_EQ(liar.answer(), "0");
  GetParam().commit(liar);
  EXPECT_TRUE(liar.peer.is_closed());
  EXPECT_EQ(or_exit(bystander.call("sum", held, unhurried)).text(), sum_of(lied_bytes, 1));
  EXPECT_TRUE(eventually([&] { return server->counts().breaches == 1; }));
}

INSTANTIATE_TEST_SUITE_P(
    That, LoanFrauds,
    ::testing::Values(
        LoanFraud{"announce_a_descriptor_that_does_not_come",
                  [](RawLoans& liar) {
                    liar.peer.send(RawLoans::handover(2, Handover::shared_view, lied_bytes));
                  }},
        LoanFraud{"send_two_for_one",
                  [](RawLoans& liar) {
                    liar.peer.send_with(RawLoans::handover(2, Handover::shared_view, lied_bytes),
                                        {0, 0});
                  }},
        LoanFraud{"give_a_number_twice",
                  [](RawLoans& liar) { liar.hand_over(1, Handover::shared_view, lied_bytes, 0); }},
        LoanFraud{"name_a_number_of_another_connection",
                  [](RawLoans& liar) { liar.name(2, 2, 1000); }},
        LoanFraud{"name_more_than_there_is",
                  [](RawLoans& liar) { liar.name(2, 1, lied_bytes + 1); }},
        LoanFraud{"say_a_size_of_64_bits",
                  [](RawLoans& liar) { liar.hand_over(2, Handover::immutable, UINT64_MAX, 0); }},
        LoanFraud{"release_what_was_not_lent",
                  [](RawLoans& liar) { liar.peer.send(RawLoans::bare(wire::Kind::release, 1)); }},
        LoanFraud{"take_immutable_memory_back",
                  [](RawLoans& liar) {
                    const Descriptor good = good_memory(lied_bytes, Handover::immutable);
                    liar.hand_over(2, Handover::immutable, lied_bytes, good.get());
                    liar.peer.send(RawLoans::bare(wire::Kind::handover, 2));
                  }},
        LoanFraud{"hand_over_without_end",
                  [](RawLoans& liar) {
                    const Descriptor good = good_memory(lied_bytes, Handover::shared_view);
                    for (std::uint64_t number = 2; number <= limits::views_max + 1; ++number) {
                      liar.hand_over(number, Handover::shared_view, lied_bytes, good.get());
                    }
                  }}),
    [](const auto& one) { return std::string(one.param.name); });

// A descriptor in place of the wish for it: it was not received, so nothing of it stays open.
TEST(LoanFraud, ThatDoesNotAskEndsTheConnection) {
  LoanServer server;
  server.run();
  RawLoans liar(server.path());
  const Descriptor good = good_memory(lied_bytes, Handover::immutable);
  ASSERT_TRUE(liar.hand_over(1, Handover::immutable, lied_bytes, good.get()));
  EXPECT_TRUE(liar.peer.is_closed());
}

// What it says that it takes is no size to make memory of.
TEST(Hello, ThatTakesAPayloadOfAnySizeIsLentNoneOfThem) {  // P13
  LoanServer server;
  server->on("lend", [](Request request) {
    for (const std::uint64_t bytes : {UINT64_MAX, UINT64_MAX - 1}) {
      const auto loan = request.loan(bytes);
      if (loan || loan.error().cause() != Cause::too_large) {
        request.fail(loan ? "lent" : loan.error().explain());
        return;
      }
    }
    request.reply("refused");
  });
  server.run();
  RawPeer liar(server.path());
  ASSERT_TRUE(liar.greet(0, 0, UINT64_MAX));
  ASSERT_TRUE(liar.send(RawPeer::call(1, 0, "lend")));
  ASSERT_TRUE(liar.read(wire::Kind::hello));
  const auto answer = liar.read();
  ASSERT_TRUE(answer);
  ASSERT_EQ(answer->header.kind, wire::Kind::reply) << answer->error();
  EXPECT_EQ(answer->payload(), "refused");
}

// What a shared view may do to who looks: show other bytes each time, and no more.
TEST(SharedViews, ThatChangeWhileTheyAreReadAreReadToTheirEnd) {
  LoanServer server;
  server.run();
  Client client = server.connect();
  const Loan loan = filled(client.loan(1 << 20, Handover::shared_view), 1);
  std::atomic<bool> finish = false;
  std::thread vandal([&] {
    const auto bytes = loan.bytes();
    volatile std::byte* const at = bytes.data();
    for (std::size_t i = 0; !finish; i = (i + 4099) % bytes.size()) at[i] = std::byte(i);
  });
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(client.call("sum", loan, unhurried));
  finish = true;
  vandal.join();
}

}  // namespace
}  // namespace tincan::test
