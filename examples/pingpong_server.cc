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
// byte too. Empty: more has to arrive; "?": this is no word of ours.
static std::string next_word(std::string& received) {
  received.erase(0, received.find_first_not_of('\0'));
  for (const std::string word : {"ping", "end"}) {
    if (received.starts_with(word)) return received.erase(0, word.size()), word;
    if (word.starts_with(received)) return "";
  }
  return "?";
}

static void serve(Stream client) {
  std::byte buffer[16];
  std::string received;
  while (const auto got = client.read(buffer)) {
    if (got->end) return;
    received += text_of({buffer, got->bytes});
    for (auto word = next_word(received); !word.empty(); word = next_word(received)) {
      if (word == "end") return void(std::puts("Server: Connection shutting down"));
      if (word == "?") return void(std::puts("Server Error: received an invalid message"));
      std::puts("Server: Received ping");
      if (!client.write("pong")) return;
      std::puts("Server: Sent pong");
    }
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
    while (true) {
      auto client = listener.accept();
      if (client) std::thread(serve, std::move(*client)).detach();
      if (!client && client.error().cause() == Cause::closed) return;
    }
  });
  int signal;
  sigwait(&endings, &signal);
  listener.close();
}
