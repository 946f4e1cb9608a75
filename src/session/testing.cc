#include "tincan/testing.h"

#include <memory>
#include <utility>

#include "os/socket.h"
#include "path/peer.h"
#include "session/client_state.h"
#include "session/server_state.h"

namespace tincan::testing {

Pair pair(const ServerOptions& server_options, const ClientOptions& client_options) {
  or_exit(Server::State::check(server_options));
  auto sockets = os::stream_socket_pair();
  if (!sockets)
    or_exit<void>(std::unexpected(
        Failure(Cause::exhausted, "no descriptors for a pair", sockets.error().code)));
  const Address address = or_exit(Address::parse("unix:testing-pair"));
  auto server = or_exit(Server::State::create(address, server_options, std::nullopt));
  server->adopt(std::move(sockets->first));
  session::Loop* const loop = server->loop;

  auto client = std::make_unique<Client::State>(address, client_options);
  path::Connection connection{std::move(sockets->second), {}};
  connection.peer = path::peer_of(connection.socket.get(), true);
  // The server may go before the client does.
  or_exit(client->adopt(std::move(connection), [loop, mailbox = loop->mailbox()] {
    if (!mailbox->is_closed()) loop->turn(Moment());
  }));
  return {Server(std::move(server)), Client(std::move(client))};
}

}  // namespace tincan::testing
