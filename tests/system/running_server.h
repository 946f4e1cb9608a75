#pragma once

#include <thread>
#include <utility>
#include <vector>

#include "support/eventually.h"
#include "support/temporary_directory.h"
#include "tincan/client.h"
#include "tincan/server.h"

namespace tincan::test {

/// A server at a path of its own, run by threads of the test, stopped and joined in the end.
///
///     RunningServer server;
///     server->on("greet", …);
///     server.run();
///     auto client = server.connect();
class RunningServer {
 public:
  explicit RunningServer(const ServerOptions& options = {})
      : path_(directory_ / "socket"), server_(or_exit(Server::listen(path_, options))) {}
  RunningServer(const RunningServer&) = delete;
  RunningServer& operator=(const RunningServer&) = delete;
  ~RunningServer() { end(); }

  Server* operator->() { return &*server_; }
  [[nodiscard]] const std::string& path() const { return path_; }

  void run(int loops = 1) {
    for (int i = 0; i < loops; ++i) {
      threads_.emplace_back([this] { EXPECT_TRUE(server_->run()) << "run() failed"; });
    }
  }
  /// Waits for run() to return in every thread.
  void join() {
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }
  /// Stops, joins, and destroys the server; the path is free afterwards.
  void end() {
    if (!server_) return;
    server_->stop();
    join();
    server_.reset();
  }

  [[nodiscard]] Client connect(ClientOptions options = {}) const {
    options.connect_deadline = patience;  // also on a busy machine
    return or_exit(Client::connect(path_, options));
  }

 private:
  TemporaryDirectory directory_;
  std::string path_;
  std::optional<Server> server_;
  std::vector<std::thread> threads_;
};

}  // namespace tincan::test
