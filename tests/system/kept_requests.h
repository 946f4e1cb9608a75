#pragma once

#include <future>
#include <mutex>
#include <vector>

#include "support/eventually.h"
#include "tincan/client.h"
#include "tincan/server.h"

namespace tincan::test {

/// Takes requests out of their handlers.
class KeptRequests {
 public:
  Handler handler() {
    return [this](Request request) {
      const std::lock_guard lock(mutex_);
      requests_.push_back(std::move(request));
    };
  }
  [[nodiscard]] std::size_t count() {
    const std::lock_guard lock(mutex_);
    return requests_.size();
  }
  Request take() {
    EXPECT_TRUE(eventually([&] { return count() > 0; }));
    const std::lock_guard lock(mutex_);
    Request request = std::move(requests_.front());
    requests_.erase(requests_.begin());
    return request;
  }

 private:
  std::mutex mutex_;
  std::vector<Request> requests_;
};

inline std::future<Result<Reply>> call_later(Client& client, std::string_view method,
                                             const CallOptions& options = {
                                                 .deadline = std::chrono::hours(1)}) {
  return std::async(std::launch::async,
                    [&client, method, options] { return client.call(method, "later", options); });
}

}  // namespace tincan::test
