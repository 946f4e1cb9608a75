#pragma once

#include <cstddef>
#include <string>
#include <utility>

/// Plain sockets, each call ending the program when it fails. Addresses are paths; one that is all
/// digits is a TCP port on the loopback interface.
namespace bench {

[[nodiscard]] std::pair<int, int> socket_pair();
/// Non-blocking, for an epoll loop.
[[nodiscard]] int listen_at(const std::string& address);
[[nodiscard]] int connect_to(const std::string& address);
void send_all(int socket, const void* bytes, std::size_t count);
/// At least one byte; 0 at the end.
[[nodiscard]] std::size_t receive(int socket, void* bytes, std::size_t count);
/// All of `count`, one recv(2) when they are there together.
void receive_all(int socket, void* bytes, std::size_t count);

}  // namespace bench
