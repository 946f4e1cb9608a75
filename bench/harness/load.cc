#include "harness/load.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "harness/socket.h"
#include "harness/worker.h"
#include "trial/open_files.h"

namespace bench {

Load::Load(const std::string& address, std::size_t clients, Dialogue dialogue)
    : dialogue_(std::move(dialogue)), poller_(epoll_create1(EPOLL_CLOEXEC)) {
  require(poller_ >= 0, "epoll_create1");
  allow_many_descriptors();
  std::vector<char> greeting(dialogue_.server_greeting_bytes);
  clients_.reserve(clients);  // epoll keeps their addresses
  for (std::size_t i = 0; i < clients; ++i) {
    Client& client = clients_.emplace_back();
    client = {connect_to(address), dialogue_.id_first, 0, 0};
    send_all(client.socket, dialogue_.client_greeting.data(), dialogue_.client_greeting.size());
    receive_all(client.socket, greeting.data(), greeting.size());
    epoll_event event = {EPOLLIN, {.ptr = &client}};
    require(epoll_ctl(poller_, EPOLL_CTL_ADD, client.socket, &event) == 0, "epoll_ctl");
  }
}

Load::~Load() {
  for (const Client& client : clients_) close(client.socket);
  close(poller_);
}

void Load::ask(Client& client) {
  std::memcpy(dialogue_.request.data() + dialogue_.id_offset, &client.id, sizeof client.id);
  client.received = 0;
  client.asked = now();
  send_all(client.socket, dialogue_.request.data(), dialogue_.request.size());
}

/// Reads once; true when the reply is whole.
bool Load::hear(Client& client) {
  char bytes[4096];
  const std::size_t wanted = std::min(sizeof bytes, dialogue_.reply_bytes - client.received);
  const std::size_t count = receive(client.socket, bytes, wanted);
  require(count > 0, "the server has gone");
  if (client.received == 0 && count >= dialogue_.id_offset + sizeof client.id &&
      std::memcmp(bytes + dialogue_.id_offset, &client.id, sizeof client.id) != 0) {
    std::fprintf(stderr, "a reply to another request\n");
    std::exit(1);
  }
  client.received += count;
  if (client.received < dialogue_.reply_bytes) return false;
  client.id += dialogue_.id_step;
  return true;
}

void Load::round(std::size_t calls, Samples& samples) {
  std::size_t to_ask = calls;
  std::size_t to_hear = calls;
  for (Client& client : clients_) {
    if (to_ask == 0) break;
    --to_ask;
    ask(client);
  }
  epoll_event events[256];
  while (to_hear > 0) {
    const int ready = epoll_wait(poller_, events, std::size(events), -1);
    require(ready > 0 || errno == EINTR, "epoll_wait");
    for (int i = 0; i < ready; ++i) {
      Client& client = *static_cast<Client*>(events[i].data.ptr);
      if (!hear(client)) continue;
      samples.add(now() - client.asked);
      --to_hear;
      if (to_ask == 0) continue;
      --to_ask;
      ask(client);
    }
  }
}

}  // namespace bench
