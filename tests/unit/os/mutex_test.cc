#include "os/mutex.h"

#include <gtest/gtest.h>

#include <mutex>
#include <thread>
#include <vector>

namespace tincan::os {
namespace {

TEST(Mutex, IsTakenOnceAtATime) {
  Mutex mutex;
  EXPECT_TRUE(mutex.try_lock());
  EXPECT_FALSE(mutex.try_lock());
  mutex.unlock();
  std::unique_lock lock(mutex, std::try_to_lock);
  EXPECT_TRUE(lock.owns_lock());
  lock.unlock();
  EXPECT_TRUE(mutex.try_lock());
  mutex.unlock();
}

TEST(Mutex, LetsOneThreadInAtATime) {
  constexpr int threads_count = 8;
  constexpr int rounds = 20'000;
  Mutex mutex;
  int count = 0;  // no atomic: TSan looks, and without a lock some would be lost
  bool inside = false;
  bool met_another = false;
  std::vector<std::thread> threads;
  for (int i = 0; i < threads_count; ++i) {
    threads.emplace_back([&, i] {
      for (int round = 0; round < rounds; ++round) {
        std::unique_lock lock(mutex, std::defer_lock);
        if ((round + i) % 3 != 0 || !lock.try_lock()) lock.lock();
        met_another = met_another || inside;
        inside = true;
        ++count;
        if (round % 1000 == 0) std::this_thread::yield();  // others find it taken
        inside = false;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(count, threads_count * rounds);
  EXPECT_FALSE(met_another);
}

TEST(Mutex, WakesEveryoneWhoSleepsForIt) {
  constexpr int threads_count = 8;
  Mutex mutex;
  int turns = 0;
  for (int round = 0; round < 50; ++round) {
    mutex.lock();
    std::atomic<int> started = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < threads_count; ++i) {
      threads.emplace_back([&] {
        started.fetch_add(1);
        const std::lock_guard lock(mutex);
        ++turns;
      });
    }
    while (started.load() < threads_count) std::this_thread::yield();
    mutex.unlock();
    for (std::thread& thread : threads) thread.join();  // hangs if one sleeps on
    EXPECT_EQ(turns, (round + 1) * threads_count);
  }
}

}  // namespace
}  // namespace tincan::os
