#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "harness/samples.h"

namespace bench {

/// What a client and its server say to each other, as bytes. Both sides of a comparison have the
/// same number of bytes in every part.
struct Dialogue {
  std::string client_greeting;        ///< What the client says first; may be empty.
  std::size_t server_greeting_bytes;  ///< What the server says first.
  std::string request;
  std::size_t id_offset;  ///< Where in requests and replies the number stands.
  std::uint64_t id_first;
  std::uint64_t id_step;  ///< From one request of a client to its next.
  std::size_t reply_bytes;
};

/// Many clients in one thread, each with one request under way: bytes over plain sockets and epoll,
/// the same work whoever the server is.
class Load {
 public:
  /// Connects `clients` clients and exchanges greetings.
  Load(const std::string& address, std::size_t clients, Dialogue dialogue);
  ~Load();
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  /// Makes `calls` calls, spread over all clients, and waits for their replies.
  void round(std::size_t calls, Samples& samples);

 private:
  struct Client {
    int socket;
    std::uint64_t id;
    std::size_t received;  ///< Of its reply.
    std::int64_t asked;
  };
  void ask(Client& client);
  bool hear(Client& client);

  Dialogue dialogue_;
  int poller_;
  std::vector<Client> clients_;
};

}  // namespace bench
