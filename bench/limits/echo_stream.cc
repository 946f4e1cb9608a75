#include "limits/echo_stream.h"

#include <unistd.h>

#include "harness/socket.h"

namespace limits {

void echo_stream(int socket) {
  static char bytes[256 * 1024];
  while (const std::size_t count = bench::receive(socket, bytes, sizeof bytes)) {
    bench::send_all(socket, bytes, count);
  }
  _exit(0);
}

}  // namespace limits
