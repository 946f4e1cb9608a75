// Touches something of every public class, so that a name which the shared library forgot to show
// is missed at link time.

#include <cstdio>
#include <string>

#include "tincan/testing.h"
#include "tincan/tincan.h"

namespace {

bool messages() {
  auto pair = tincan::testing::pair();
  pair.server.on("greet", [](tincan::Request request) {
    request.reply("hello " + std::string(request.text()));
  });
  const auto reply = pair.client.call("greet", "world");
  return reply && reply->text() == "hello world";
}

bool bytes() {
  auto ends = tincan::Stream::pair();
  if (!ends || !ends->first.write("ping")) return false;
  std::byte buffer[8];
  const auto received = ends->second.read(buffer);
  return received && received->bytes == 4;
}

bool words() {
  const auto address = tincan::Address::parse("./foreign.sock");
  if (!address || address->text() != "./foreign.sock") return false;
  const auto client = tincan::Client::connect(*address);
  if (client || client.error().cause() != tincan::Cause::no_server) return false;
  return !client.error().explain().empty() && !tincan::name(client.error().outcome()).empty();
}

bool refusals() {
  const auto listener = tincan::Listener::listen("/nowhere/foreign.sock");
  const auto server = tincan::Server::listen("/nowhere/foreign.sock");
  const auto copy = tincan::Descriptor(0).duplicate();
  return !listener && !server && copy && !tincan::Peer().describe().empty();
}

}  // namespace

int main() {
  if (!messages() || !bytes() || !words() || !refusals()) return 1;
  std::puts("tincan " TINCAN_VERSION);
}
