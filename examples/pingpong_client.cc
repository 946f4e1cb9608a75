// The article's client: says "ping" a hundred times, hears "pong" each time, and says "end".
//
//     pingpong_client [PATH]      the path is ./udsocket unless given

#include <tincan/tincan.h>

#include <chrono>
#include <cstdio>
#include <string>

namespace {

using namespace std::chrono_literals;
constexpr int rounds = 100;
constexpr auto patience = 5s;

/// Reads until "pong" is complete: bytes may arrive in pieces. C programs send the NUL byte too.
std::string read_answer(tincan::Stream& server) {
  std::string answer;
  while (answer.size() < 4) {
    std::byte buffer[16];
    const auto got = tincan::or_exit(server.read(buffer, patience));
    if (got.end) break;
    answer += tincan::text_of({buffer, got.bytes});
    std::erase(answer, '\0');
  }
  return answer;
}

void complain(std::string answer) {
  if (answer.empty()) return void(std::puts("Client Error: the server closed the connection"));
  for (char& byte : answer) byte = byte < ' ' || byte == 0x7f ? '?' : byte;  // it is a stranger's
  std::printf("Client Error: received invalid message \"%s\"\n", answer.c_str());
}

}  // namespace

int main(int count, char** arguments) {
  const std::string path = count > 1 ? arguments[1] : "./udsocket";
  auto server = tincan::or_exit(tincan::Stream::connect(path));
  std::printf("Connecting to %s\n", path.c_str());
  for (int i = 0; i < rounds; ++i) {
    tincan::or_exit(server.write("ping", patience));
    std::puts("Client: Sent ping");
    const std::string answer = read_answer(server);
    if (answer != "pong") return complain(answer), 1;
    std::puts("Client: Received pong");
  }
  tincan::or_exit(server.write("end", patience));
}
