// gRPC over unix:, its synchronous API: unary calls, and streams from the client for messages that
// nobody answers.

#include <echo.grpc.pb.h>
#include <grpcpp/grpcpp.h>

#include <mutex>
#include <optional>

#include "peers/peer.h"

namespace bench {

namespace {

std::span<const std::byte> bytes_of(const std::string& content) {
  return std::as_bytes(std::span(content));
}

void taken(const grpc::Status& status) {
  if (!status.ok()) throw std::runtime_error("gRPC: " + status.error_message());
}

class GrpcCaller final : public PeerCaller {
 public:
  GrpcCaller(const std::string& server, unsigned client, bool streams) : streams_(streams) {
    grpc::ChannelArguments arguments;
    // Otherwise a second channel of this process may come to use the connection of the first.
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    const auto channel =
        grpc::CreateCustomChannel(server, grpc::InsecureChannelCredentials(), arguments);
    stub_ = Echo::NewStub(channel);
    message_.set_client(client);
  }

  void exchange(std::span<const std::byte> message, std::span<std::byte> answer) override {
    if (streams_) {
      send(message);
      writer_->WritesDone();
      taken(writer_->Finish());
      writer_.reset();
    } else {
      grpc::ClientContext context;
      fill(message);
      taken(stub_->Exchange(&context, message_, &answer_));
    }
    take_answer(bytes_of(answer_.content()), answer);
  }

  void send(std::span<const std::byte> message) override {
    if (!writer_) {
      context_.emplace();
      writer_ = stub_->Take(&*context_, &answer_);
    }
    fill(message);
    if (!writer_->Write(message_)) taken(writer_->Finish());
  }

 private:
  void fill(std::span<const std::byte> message) {
    message_.set_content(message.data(), message.size());
  }

  const bool streams_;
  std::unique_ptr<Echo::Stub> stub_;
  Message message_;
  Message answer_;
  std::optional<grpc::ClientContext> context_;  // of the round
  std::unique_ptr<grpc::ClientWriter<Message>> writer_;
};

class Service final : public Echo::Service {
 public:
  explicit Service(const Task& task) : receivers_(task) {}

  grpc::Status Exchange(grpc::ServerContext*, const Message* message, Message* answer) override {
    return take(*message, *answer);
  }
  grpc::Status Take(grpc::ServerContext*, grpc::ServerReader<Message>* reader,
                    Message* answer) override {
    Message message;
    while (reader->Read(&message)) {
      const grpc::Status status = take(message, *answer);
      if (!status.ok()) return status;
    }
    return grpc::Status::OK;
  }

 private:
  /// On any thread.
  grpc::Status take(const Message& message, Message& answer) {
    try {
      if (receiver_of(message.client()).take(bytes_of(message.content()))) answer = message;
      return grpc::Status::OK;
    } catch (const WrongMessage& wrong) {
      return {grpc::StatusCode::INVALID_ARGUMENT, wrong.what()};
    }
  }
  /// A client has one call at a time, so nobody else has its receiver.
  Receiver& receiver_of(unsigned client) {
    const std::lock_guard lock(mutex_);
    return receivers_.of(client);
  }

  std::mutex mutex_;
  Receivers<unsigned> receivers_;
};

class GrpcWay final : public Way {
 public:
  void serve(const std::function<void()>& ready) override {
    Service service(task());
    grpc::ServerBuilder builder;
    builder.AddListeningPort(address(), grpc::InsecureServerCredentials());
    builder.RegisterService(&service);
    const auto server = builder.BuildAndStart();
    if (!server) throw std::runtime_error("gRPC does not listen at " + address());
    ready();
    server->Wait();
  }

  std::unique_ptr<Caller> connect(unsigned client) override {
    return std::make_unique<GrpcCaller>(address(), client, task().work == Work::one_way);
  }

 private:
  [[nodiscard]] std::string address() const { return "unix:" + path("server"); }
};

}  // namespace

}  // namespace bench

int main(int argc, char** argv) {
  using enum bench::Work;
  return bench::run_peer(argc, argv,
                         {.name = "gRPC",
                          .does = "unary calls and client streams over unix:",
                          .works = {round_trip, one_way, fan_in, set_up},
                          .warm_up_milliseconds = 50,
                          .make = [] { return std::make_unique<bench::GrpcWay>(); }});
}
