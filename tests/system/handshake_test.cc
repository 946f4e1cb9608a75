// What happens between connect(2) and the first call: HELLO, or something else (promise 13).

#include <thread>

#include "system/raw_peer.h"
#include "system/running_server.h"

namespace tincan::test {

namespace {

using namespace std::chrono_literals;

TEST(Handshake, ClosesThoseWhoSayNothingInTime) {  // P4, attack 2
  RunningServer server({.handshake_deadline = 50ms});
  server.run();
  RawPeer silent(server.path());
  RawPeer slow(server.path());
  ASSERT_TRUE(slow.send({std::byte{'T'}, std::byte{'I'}}));
  Client client = server.connect();
  const auto farewell = silent.read(wire::Kind::error);
  ASSERT_TRUE(farewell);
  EXPECT_EQ(farewell->error(), "no HELLO in time");
  EXPECT_TRUE(silent.is_closed());
  EXPECT_TRUE(slow.is_closed());
  EXPECT_TRUE(client.call("tincan.ping"));  // which has greeted long ago
}

TEST(Handshake, ClosesThoseWhoSaySomethingElse) {  // P13, attack 29
  RunningServer server;
  server.run();
  const auto bytes = [](std::string_view text) {
    const auto span = bytes_of(text);
    return RawPeer::Bytes(span.begin(), span.end());
  };
  for (const std::string_view text : {"ping", "GET / HTTP/1.1\r\n\r\n", "TINCAN/2 HELLO\r\n"}) {
    RawPeer peer(server.path());
    ASSERT_TRUE(peer.send(bytes(text)));
    EXPECT_TRUE(peer.is_closed()) << text;
  }
  // A call before HELLO, and a second HELLO.
  RawPeer hasty(server.path());
  auto early = bytes(wire::preamble);
  const auto call = RawPeer::call(1, 0, "tincan.ping");
  early.insert(early.end(), call.begin(), call.end());
  ASSERT_TRUE(hasty.send(early));
  EXPECT_TRUE(hasty.is_closed());
  RawPeer again(server.path());
  RawPeer::Bytes hello;
  wire::encode_hello({}, hello);
  ASSERT_TRUE(again.send(hello));
  hello.erase(hello.begin(), hello.begin() + wire::preamble.size());
  ASSERT_TRUE(again.send(hello));
  EXPECT_TRUE(again.is_closed());
  EXPECT_EQ(server->counts().calls, 0u);
  EXPECT_TRUE(eventually([&] { return server->counts().breaches == 5; }));
}

TEST(Handshake, SurvivesAnySplitOfItsBytes) {  // attack 27
  RunningServer server;
  server.run();
  RawPeer::Bytes bytes;
  wire::encode_hello({.payload_bytes_max = 100, .calls_in_flight_max = 1}, bytes);
  const auto call = RawPeer::call(1, 0, "tincan.ping", "sound");
  bytes.insert(bytes.end(), call.begin(), call.end());
  RawPeer peer(server.path());
  for (const std::byte byte : bytes) ASSERT_TRUE(peer.send({byte}));
  const auto reply = peer.read(wire::Kind::reply);
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->payload(), "sound");
}

TEST(Handshake, SurvivesAByteOutOfBand) {  // attack 30
  RunningServer server;
  server.run();
  RawPeer peer(server.path());
  ASSERT_TRUE(peer.greet());
  ASSERT_TRUE(peer.send({std::byte{'O'}}, MSG_OOB));
  // The byte is out of the stream, or breaks the framing; never does it stop or spin the server.
  const bool sent = peer.send(RawPeer::call(1, 0, "tincan.ping", "after"));
  const auto reply = sent ? peer.read(wire::Kind::reply) : std::nullopt;
  EXPECT_TRUE(reply ? reply->payload() == "after" : peer.is_closed());
  Client client = server.connect();
  EXPECT_TRUE(client.call("tincan.ping"));
}

TEST(Handshake, WithAServerThatSendsEverythingBackFails) {
  const TemporaryDirectory directory;
  const Descriptor listener = raw_listener(directory / "s", 8);
  std::thread echo([&] {
    const Descriptor peer(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    char bytes[4096];
    for (ssize_t count; (count = ::recv(peer.get(), bytes, sizeof bytes, 0)) > 0;) {
      ::send(peer.get(), bytes, static_cast<std::size_t>(count), MSG_NOSIGNAL);
    }
  });
  const auto client = Client::connect(directory / "s");
  echo.join();
  ASSERT_FALSE(client);
  EXPECT_EQ(client.error().cause(), Cause::not_tincan);
  EXPECT_NE(client.error().explain().find("sends back what it is sent"), std::string::npos)
      << client.error().explain();
}

TEST(Handshake, EndsAtGarbageInTheMiddleOfAConversation) {  // P13
  RunningServer server;
  server.run();
  for (unsigned seed = 1; seed <= 64; ++seed) {
    RawPeer peer(server.path());
    ASSERT_TRUE(peer.greet());
    RawPeer::Bytes garbage(200);
    unsigned state = seed;
    for (std::byte& byte : garbage) {
      state = state * 1664525 + 1013904223;
      byte = static_cast<std::byte>(state >> 24);
    }
    garbage[4] = static_cast<std::byte>(200);  // no kind of frame
    peer.send(garbage);
    EXPECT_TRUE(peer.is_closed());
  }
  Client client = server.connect();
  EXPECT_TRUE(client.call("tincan.ping"));
  EXPECT_EQ(server->counts().breaches, 64u);
}

TEST(Handshake, LeavesAHalfClosedPeerItsAnswers) {  // attack 31
  RunningServer server;
  std::optional<Request> kept;
  server->on("later", [&](Request request) { kept = std::move(request); });
  server->on("release", [&](Request request) {
    kept->reply("at last");
    request.reply();
  });
  server.run();
  RawPeer peer(server.path());
  ASSERT_TRUE(peer.greet());
  ASSERT_TRUE(peer.send(RawPeer::call(1, 0, "later")));
  ASSERT_TRUE(peer.send(RawPeer::call(2, 1, "tincan.ping", "now")));
  ASSERT_EQ(::shutdown(peer.fd(), SHUT_WR), 0);
  EXPECT_EQ(peer.read(wire::Kind::reply)->payload(), "now");
  Client client = server.connect();
  ASSERT_TRUE(client.call("release"));
  EXPECT_EQ(peer.read(wire::Kind::reply)->payload(), "at last");
  EXPECT_TRUE(peer.is_closed());
  EXPECT_TRUE(eventually([&] { return server->counts().connections == 1; }));
  EXPECT_EQ(server->counts().breaches, 0u);
}

TEST(Handshake, AnswersWhoGoesBeforeReadingAndOnlyThatOneIsLost) {  // attack 11
  RunningServer server;
  server.run();
  for (int i = 0; i < 100; ++i) {
    RawPeer peer(server.path());
    ASSERT_TRUE(peer.greet());
    ASSERT_TRUE(peer.send(RawPeer::call(1, 0, "tincan.ping", std::string(1000, 'x'))));
  }
  Client client = server.connect();
  EXPECT_TRUE(client.call("tincan.ping"));
  EXPECT_TRUE(eventually([&] { return server->counts().connections == 1; }));
}

/// Plays a server that is none: does `play` with the first connection.
template <class Play>
Result<Client> connect_to(Play play, const ClientOptions& options = {}) {
  const TemporaryDirectory directory;
  const Descriptor listener = raw_listener(directory / "s", 8);
  std::thread server([&] {
    RawPeer peer(Descriptor(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC)));
    play(peer);
  });
  auto client = Client::connect(directory / "s", options);
  server.join();
  return client;
}

TEST(Client, NamesAServerThatSaysSomethingElse) {
  const auto pong = connect_to([](RawPeer& peer) {
    peer.send({std::byte{'p'}, std::byte{'o'}, std::byte{'n'}, std::byte{'g'}});
    peer.is_closed();
  });
  ASSERT_FALSE(pong);
  EXPECT_EQ(pong.error().cause(), Cause::not_tincan);
  EXPECT_NE(pong.error().detail().find("it said \"pong\" instead of HELLO"), std::string::npos);
  EXPECT_NE(pong.error().detail().find("tincan bytes"), std::string::npos);
}

TEST(Client, NamesAServerThatClosesAtOnce) {
  const auto closed = connect_to([](RawPeer&) {});
  ASSERT_FALSE(closed);
  EXPECT_EQ(closed.error().cause(), Cause::closed);
  EXPECT_NE(closed.error().detail().find("closed the connection before its HELLO"),
            std::string::npos);
}

TEST(Client, TakesNothingForAReplyFromAServerThatOnlyEchoes) {  // P1
  const TemporaryDirectory directory;
  const Descriptor listener = raw_listener(directory / "s", 8);
  std::thread server([&] {
    RawPeer peer(Descriptor(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC)));
    std::byte piece[4096];
    while (true) {
      const auto count = ::recv(peer.fd(), piece, sizeof piece, 0);
      if (count <= 0 || !peer.send(RawPeer::Bytes(piece, piece + count))) return;
    }
  });
  {
    auto client = Client::connect(directory / "s", {.connect_deadline = 100ms});
    const auto reply = client ? client->call("method", "", {.deadline = 100ms})
                              : Result<Reply>(std::unexpected(client.error()));
    EXPECT_FALSE(reply);
  }
  server.join();
}

TEST(Client, ClosesWhenTheServerBreaksTheProtocol) {  // P13, attack 28
  // A reply to a call that was never made, one to the call with another number, two to one.
  for (const int lie : {0, 1, 2}) {
    const TemporaryDirectory directory;
    const Descriptor listener = raw_listener(directory / "s", 8);
    std::thread server([&] {
      RawPeer peer(Descriptor(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC)));
      peer.greet();
      if (const auto call = peer.read(wire::Kind::call)) {
        const std::uint64_t id = call->header.id;
        RawPeer::Bytes empty(wire::encoded_prologue_bytes_max);
        empty.resize(wire::encode_prologue({}, empty.data()).bytes);
        const auto reply = [&](std::uint64_t of) {
          return RawPeer::frame({.body_bytes = static_cast<std::uint32_t>(empty.size()),
                                 .kind = wire::Kind::reply,
                                 .id = of},
                                empty);
        };
        if (lie == 0) peer.send(reply(77));
        if (lie == 1) peer.send(reply(id + (1 << wire::CallId::slot_bits)));
        if (lie == 2) {
          auto twice = reply(id);
          const auto second = reply(id);
          twice.insert(twice.end(), second.begin(), second.end());
          peer.send(twice);
        }
      }
      EXPECT_TRUE(peer.is_closed());
    });
    {
      auto client = Client::connect(directory / "s", {.reconnect_deadline = 1ms});
      ASSERT_TRUE(client);
      const auto reply = client->call("method", "", {.deadline = patience});
      if (lie == 2) {
        EXPECT_TRUE(reply);
      } else {
        ASSERT_FALSE(reply);
        EXPECT_EQ(reply.error().cause(), Cause::breach) << lie;
      }
    }
    server.join();
  }
}

}  // namespace

}  // namespace tincan::test
