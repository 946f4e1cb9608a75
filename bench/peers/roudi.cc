#include "peers/roudi.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <iceoryx_hoofs/posix_wrapper/file_lock.hpp>
#include <iceoryx_posh/roudi/iceoryx_roudi_app.hpp>
#include <string_view>
#include <thread>

#include "peers/sweep.h"
#include "trial/peer.h"
#include "ways/demand.h"

namespace bench {

namespace {

using namespace std::chrono_literals;
/// That of the trial before, which has just lost its server, needs a moment.
constexpr auto patience = 5s;

/// A name that lasts as long as somebody has it: RouDi's own lock is free before what it has made
/// is gone.
bool takes_name(int socket) {
  sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = {}};
  std::ranges::copy(std::string_view("tincan-bench-roudi"), address.sun_path + 1);
  return ::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

bool is_alone() { return !iox::posix::FileLock::create(iox::roudi::ROUDI_LOCK_NAME).has_error(); }

template <class Condition>
void wait_for_others_until(Condition is_so) {
  const auto end = std::chrono::steady_clock::now() + patience;
  while (!is_so()) {
    if (std::chrono::steady_clock::now() > end) {
      throw std::runtime_error("another RouDi is running, and there can be only one: stop it");
    }
    std::this_thread::sleep_for(10ms);
  }
}

/// When there is no other one, nor any that is about to end, which our processes could still meet.
/// Returns what keeps the place.
int take_place() {
  const int place = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  demand(place >= 0, "socket");
  wait_for_others_until([&] { return takes_name(place); });
  wait_for_others_until(is_alone);
  ::unlink("/tmp/roudi");  // if it is there, nobody listens to it any more
  return place;
}

/// Its segment has the name of our group.
iox::RouDiConfig_t configuration(std::uint32_t chunk_bytes, std::uint32_t chunks) {
  iox::RouDiConfig_t config;
  config.setDefaults();
  iox::mepoo::MePooConfig pools;
  pools.addMemPool({chunk_bytes, chunks});
  config.m_sharedMemorySegments.front().m_mempoolConfig = pools;
  return config;
}

[[noreturn]] void run(const iox::RouDiConfig_t& config) {
  ::close(peer_control);
  // It says what it reserves, and more.
  const int nowhere = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  ::dup2(nowhere, STDOUT_FILENO);
  ::dup2(nowhere, STDERR_FILENO);
  iox::config::CmdLineArgs_t arguments;
  // Processes are stopped between rounds: that does not mean that they are dead.
  arguments.monitoringMode = iox::roudi::MonitoringMode::OFF;
  arguments.logLevel = iox::log::LogLevel::kOff;
  ::_exit(iox::roudi::IceOryxRouDiApp(arguments, config).run());
}

void sweep(const std::string& segment, const std::string& runtimes) {
  for (const std::string& path :
       {std::string("/dev/shm/") + iox::roudi::SHM_NAME, "/dev/shm/" + segment,
        std::string("/tmp/roudi"), std::string("/tmp/roudi.lock"),
        std::string("/tmp/") + iox::roudi::ROUDI_LOCK_NAME + ".lock"}) {
    ::unlink(path.c_str());
  }
  remove_beginning("/tmp", runtimes);
}

}  // namespace

void start_roudi(std::uint32_t chunk_bytes, std::uint32_t chunks, const std::string& runtimes) {
  const int place = take_place();  // until both processes that follow have ended
  const iox::RouDiConfig_t config = configuration(chunk_bytes, chunks);
  const std::string segment(config.m_sharedMemorySegments.front().m_writerGroup.c_str());
  // Not by RouDi itself: at its end it would first wait for the processes that it serves, or abort
  // when they have gone before.
  sweep_when_this_ends([=] { sweep(segment, runtimes); });
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  demand(pid >= 0, "fork");
  if (pid == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(1);
    run(config);
  }
  ::close(place);
}

}  // namespace bench
