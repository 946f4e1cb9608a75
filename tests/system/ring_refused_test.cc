// Kernels and sandboxes that refuse what a ring takes, at either side: the connection stays on its
// socket, and who asks is told why (promises 15 and 16).

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <functional>

#include "support/seam.h"
#include "system/ring_client.h"
#include "system/server_process.h"

namespace tincan::test {
namespace {

/// Has the kernel answer `error` to a system call for as long as this process lives, as an older
/// kernel or a sandbox does; with `second_argument`, to that use of it alone.
bool forbid(long call, int error, std::optional<std::uint32_t> second_argument = {}) {
  const auto number = static_cast<std::uint32_t>(call);
  const std::uint32_t answer = SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error);
  const std::uint32_t argument = second_argument.value_or(0);
  // Without an argument to look at, it jumps over the look.
  const auto look = static_cast<std::uint8_t>(second_argument ? 0 : 2);
  sock_filter lines[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(::seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, look, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(::seccomp_data, args[1])),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, argument, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, answer),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{std::size(lines), lines};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

#ifdef TINCAN_SEAM

/// Has every call of that kind fail in this process, whatever the kernel says.
bool fail_all(os::Call failing, int error) {
  class Refusing : public os::Seam {
   public:
    Refusing(os::Call call, int error) : call_(call), error_(error) {}
    int before(os::Call call, std::size_t*) override { return call == call_ ? error_ : 0; }

   private:
    const os::Call call_;
    const int error_;
  };
  os::install(new Refusing(failing, error));  // for as long as the process lives
  return true;
}

#endif

struct Refusal {
  const char* name;
  std::function<bool()> begin;  ///< In the process that is refused it.
  const char* reason;           ///< Part of what the client says.
};

void add_echo(Server& server) {
  server.on("echo", [](Request request) { request.reply(request.payload()); });
}

/// Calls and calls, and says why it has no ring.
int call_without_ring(const std::string& path, const std::function<bool()>& begin) {
  Client client = or_exit(Client::connect(path, eager()));
  if (begin && !begin()) return 2;
  for (int i = 0; i < 100; ++i) {
    const std::string text =
        std::to_string(i) + std::string(static_cast<std::size_t>(i) * 100, 'x');
    if (reply_to(client, text) != text) return 3;
    if (client.ring_bytes() != 0) return 4;
  }
  if (client.reconnects() != 0) return 5;
  std::printf("no ring: %s\n", client.ring_refusal().c_str());
  return 0;
}

class RingRefused : public ::testing::TestWithParam<Refusal> {
 protected:
  void SetUp() override {
#ifdef __SANITIZE_ADDRESS__
    if (GetParam().name == std::string_view("pipes_forbidden")) {
      GTEST_SKIP() << "the sanitizer looks at memory through a pipe of its own";
    }
#endif
  }
  const TemporaryDirectory directory_;
};

class RingRefusedToAClient : public RingRefused {};

TEST_P(RingRefusedToAClient, LeavesItOnTheSocketAndSaysWhy) {
  auto server = start_server(directory_ / "s", add_echo);
  auto client =
      Process::fork([&] { return call_without_ring(directory_ / "s", GetParam().begin); });
  ASSERT_EQ(client.wait(), 0) << client.output() << server.output();
  EXPECT_NE(client.output().find(GetParam().reason), std::string::npos) << client.output();
  Client bystander = or_exit(Client::connect(directory_ / "s", eager()));
  EXPECT_TRUE(reach_ring(bystander));
}

class RingRefusedToAServer : public RingRefused {};

TEST_P(RingRefusedToAServer, LeavesItsClientsOnTheSocketAndTellsThemWhy) {
  auto server = start_server(directory_ / "s", [](Server& served) {
    add_echo(served);
    if (!GetParam().begin()) ::_exit(2);
  });
  auto client = Process::fork([&] { return call_without_ring(directory_ / "s", {}); });
  ASSERT_EQ(client.wait(), 0) << client.output() << server.output();
  EXPECT_NE(client.output().find(GetParam().reason), std::string::npos) << client.output();
  EXPECT_TRUE(server.running()) << server.output();
}

INSTANTIATE_TEST_SUITE_P(
    ByTheKernel, RingRefusedToAClient,
    ::testing::Values(
        Refusal{"memory_files_unknown", [] { return forbid(SYS_memfd_create, ENOSYS); },
                "no shared memory for it: Function not implemented"},
        Refusal{"memory_files_forbidden", [] { return forbid(SYS_memfd_create, EPERM); },
                "no shared memory for it: Operation not permitted"},
        Refusal{"seals_unknown", [] { return forbid(SYS_fcntl, EINVAL, F_ADD_SEALS); },
                "no shared memory for it: Invalid argument"},
        Refusal{"seals_forbidden", [] { return forbid(SYS_fcntl, EPERM, F_ADD_SEALS); },
                "no shared memory for it: Operation not permitted"},
        Refusal{"allocation_unsupported", [] { return forbid(SYS_fallocate, EOPNOTSUPP); },
                "no shared memory for it: Operation not supported"},
        Refusal{"pipes_forbidden", [] { return forbid(SYS_pipe2, EPERM); },
                "no doorbell for it: Operation not permitted"},
        Refusal{"pollers_forbidden", [] { return forbid(SYS_epoll_create1, EPERM); },
                "no poller for it: Operation not permitted"}),
    [](const auto& one) { return std::string(one.param.name); });

INSTANTIATE_TEST_SUITE_P(
    ByTheKernel, RingRefusedToAServer,
    ::testing::Values(
        Refusal{"looking_at_seals", [] { return forbid(SYS_fcntl, EPERM, F_GET_SEALS); },
                "the memory to the server is no file in memory that can be sealed"},
        Refusal{"looking_at_its_kind", [] { return forbid(SYS_fstatfs, ENOSYS); }, "not in tmpfs"},
        Refusal{"pipes_forbidden", [] { return forbid(SYS_pipe2, EPERM); },
                "the server has no doorbell: Operation not permitted"}),
    [](const auto& one) { return std::string(one.param.name); });

#ifdef TINCAN_SEAM

INSTANTIATE_TEST_SUITE_P(
    AtTheSeam, RingRefusedToAClient,
    ::testing::Values(Refusal{"memory_files", [] { return fail_all(os::Call::memfd, ENOSYS); },
                              "no shared memory for it: Function not implemented"},
                      Refusal{"pages", [] { return fail_all(os::Call::allocate, ENOSPC); },
                              "no shared memory for it: No space left on device"},
                      Refusal{"mappings", [] { return fail_all(os::Call::mmap, ENOMEM); },
                              "no shared memory for it: Cannot allocate memory"},
                      Refusal{"seals", [] { return fail_all(os::Call::fcntl, EPERM); },
                              "no shared memory for it: Operation not permitted"},
                      Refusal{"pipes", [] { return fail_all(os::Call::pipe, EMFILE); },
                              "no doorbell for it: Too many open files"},
                      Refusal{"duplicates", [] { return fail_all(os::Call::dup, EMFILE); },
                              "no doorbell for it: Too many open files"},
                      Refusal{"pollers", [] { return fail_all(os::Call::epoll_create, ENFILE); },
                              "no poller for it: Too many open files in system"},
                      Refusal{"kicks", [] { return fail_all(os::Call::eventfd, EMFILE); },
                              "no poller for it: Too many open files"}),
    [](const auto& one) { return std::string(one.param.name); });

INSTANTIATE_TEST_SUITE_P(
    AtTheSeam, RingRefusedToAServer,
    ::testing::Values(Refusal{"mappings", [] { return fail_all(os::Call::mmap, ENOMEM); },
                              "the memory cannot be mapped: Cannot allocate memory"},
                      Refusal{"pipes", [] { return fail_all(os::Call::pipe, EMFILE); },
                              "the server has no doorbell: Too many open files"},
                      Refusal{"duplicates", [] { return fail_all(os::Call::dup, EMFILE); },
                              "the server has no doorbell: Too many open files"}),
    [](const auto& one) { return std::string(one.param.name); });

#endif

}  // namespace
}  // namespace tincan::test
