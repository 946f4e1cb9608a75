#include "limits/epoll_server.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <iterator>
#include <vector>

#include "harness/sizes.h"
#include "harness/socket.h"
#include "harness/worker.h"

namespace limits {

namespace {

void accept_client(int poller, int listener, std::vector<std::size_t>& received) {
  static constexpr char greeting[bench::greeting_bytes] = {};
  const int client = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (client < 0) return;
  bench::send_all(client, greeting, sizeof greeting);
  if (static_cast<std::size_t>(client) >= received.size()) {
    received.resize(static_cast<std::size_t>(client) + 1);
  }
  received[static_cast<std::size_t>(client)] = 0;
  epoll_event event = {EPOLLIN, {.fd = client}};
  bench::require(epoll_ctl(poller, EPOLL_CTL_ADD, client, &event) == 0, "epoll_ctl");
}

/// Reads once; `received` counts the bytes of a request that is not whole yet.
void serve(int client, std::size_t& received) {
  char bytes[64 * 1024];
  const std::size_t count = bench::receive(client, bytes, sizeof bytes);
  if (count == 0) {
    close(client);
    return;
  }
  for (received += count; received >= bench::request_bytes; received -= bench::request_bytes) {
    bench::send_all(client, bytes, bench::reply_bytes);
  }
}

}  // namespace

void run_epoll_server(int listener) {
  const int poller = epoll_create1(EPOLL_CLOEXEC);
  epoll_event event = {EPOLLIN, {.fd = listener}};
  bench::require(epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event) == 0, "epoll_ctl");
  std::vector<std::size_t> received;
  epoll_event events[256];
  while (true) {
    const int ready = epoll_wait(poller, events, std::size(events), -1);
    for (int i = 0; i < ready; ++i) {
      const int number = events[i].data.fd;
      if (number == listener) {
        accept_client(poller, listener, received);
      } else {
        serve(number, received[static_cast<std::size_t>(number)]);
      }
    }
  }
}

}  // namespace limits
