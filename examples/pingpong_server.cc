// The article's server: answers each "ping" with "pong" until "end". Many clients at once.
//
//     pingpong_server [PATH]      the path is ./udsocket unless given; ends on SIGINT or SIGTERM

#include <signal.h>
#include <tincan/tincan.h>

#include <cstdio>
#include <string>
#include <thread>

using namespace tincan;

// Takes the next word off `received`: bytes arrive in pieces or joined, and C programs send the NUL
// byte too. Empty: more has to arrive; "?": it was no word of ours, and that has been said.
static std::string next_word(std::string& received, bool end) {
  received.erase(0, received.find_first_not_of('\0'));
  for (const std::string word : {"ping", "end"}) {
    if (received.starts_with(word)) return received.erase(0, word.size()), word;
    if (word.starts_with(received) && (!end || received.empty())) return "";
  }
  for (char& byte : received) byte = byte < ' ' || byte == 0x7f ? '?' : byte;
  return std::printf("Server Error: received invalid message \"%s\"\n", received.c_str()), "?";
}

static void serve(Stream client) {
  std::byte buffer[16];
  std::string received;
  while (const auto got = client.read(buffer)) {
    received += text_of({buffer, got->bytes});
    for (std::string word; !(word = next_word(received, got->end)).empty();) {
      if (word == "end") return void(std::puts("Server: Connection shutting down"));
      if (word == "?") return;
      std::puts("Server: Received ping");
      if (!client.write("pong")) return;
      std::puts("Server: Sent pong");
    }
    if (got->end) return;
  }
}

int main(int count, char** arguments) {
  sigset_t endings = {};
  sigaddset(&endings, SIGINT);
  sigaddset(&endings, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &endings, nullptr);
  auto listener = or_exit(Listener::listen(count > 1 ? arguments[1] : "./udsocket"));
  std::setvbuf(stdout, nullptr, _IONBF, 0);  // or exit() repeats what a thread writes
  std::printf("Listening on %s\n", listener.address().text().c_str());
  std::jthread accepting([&listener] {
    for (auto client = listener.accept();; client = listener.accept()) {
      if (client) std::thread(serve, std::move(*client)).detach();
      if (!client && client.error().cause() == Cause::closed) return;
    }
  });
  int signal;
  sigwait(&endings, &signal);
  listener.close();
}
