#include "bench/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>

#include "output.h"

namespace cli {

namespace {

constexpr int bar_columns = 24;
constexpr auto between_two = std::chrono::milliseconds(100);

std::size_t terminal_columns() {
  winsize size = {};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

std::string time_left(std::chrono::steady_clock::duration so_far, double done) {
  if (done < 0.02) return "";
  const double seconds = std::chrono::duration<double>(so_far).count() * (1 - done) / done;
  const auto whole = static_cast<long>(std::ceil(seconds));
  return whole < 100 ? fmt::format("{} s left", whole)
                     : fmt::format("{} min left", (whole + 59) / 60);
}

}  // namespace

Progress::Progress()
    : is_shown_(::isatty(STDERR_FILENO) == 1), start_(std::chrono::steady_clock::now()) {}

Progress::~Progress() { clear(); }

void Progress::show(double done, std::string_view doing) {
  const auto now = std::chrono::steady_clock::now();
  if (!is_shown_ || (is_there_ && now - shown_ < between_two)) return;
  shown_ = now;
  is_there_ = true;
  done = std::clamp(done, 0.0, 1.0);
  const auto filled = static_cast<int>(done * bar_columns);
  std::string line =
      fmt::format("[{:#<{}}{:{}}] {:3.0f} %  {:>11}  {}", "", filled, "", bar_columns - filled,
                  100 * done, time_left(now - start_, done), doing);
  line.resize(std::min(line.size(), terminal_columns() - 1));
  [[maybe_unused]] const int error = write_all(STDERR_FILENO, "\r\033[K" + line);
}

void Progress::clear() {
  if (!std::exchange(is_there_, false)) return;
  [[maybe_unused]] const int error = write_all(STDERR_FILENO, "\r\033[K");
}

}  // namespace cli
