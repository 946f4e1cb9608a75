#include "trial/peer.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <sstream>

#include "trial/sides.h"

namespace bench {

namespace {

constexpr const char* greeting = "tincan-bench-peer 1";

std::string number_of(Work work) { return std::to_string(static_cast<int>(work)); }

int describe(const WayEntry& entry) {
  std::cout << greeting << '\n' << entry.name << '\n' << entry.does << '\n';
  for (const Work work : entry.works) std::cout << number_of(work) << ' ';
  std::cout << '\n'
            << entry.bytes_min << ' ' << entry.bytes_max << ' ' << entry.warm_up_milliseconds << ' '
            << entry.is_alone << '\n';
  return std::cout.flush() ? 0 : 1;
}

std::string output_of(const std::string& program) {
  std::string output;
  std::FILE* const pipe = ::popen(("'" + program + "' describe 2>/dev/null").c_str(), "re");
  if (pipe == nullptr) return output;
  char bytes[512];
  while (const std::size_t count = std::fread(bytes, 1, sizeof bytes, pipe)) {
    output.append(bytes, count);
  }
  ::pclose(pipe);
  return output;
}

}  // namespace

std::vector<std::string> peer_arguments(const std::string& program, const Task& task,
                                        bool is_server, unsigned client) {
  return {program,
          is_server ? "server" : "client",
          number_of(task.work),
          std::to_string(task.bytes),
          std::to_string(task.clients),
          task.directory,
          std::to_string(client)};
}

int run_peer(int argc, char** argv, const WayEntry& entry) {
  if (argc == 2 && std::strcmp(argv[1], "describe") == 0) return describe(entry);
  if (argc != 7) {
    std::cerr << argv[0] << ": started by `tincan bench --peers`\n";
    return 2;
  }
  const Task task = {.work = static_cast<Work>(std::atoi(argv[2])),
                     .bytes = std::strtoull(argv[3], nullptr, 10),
                     .clients = static_cast<unsigned>(std::atoi(argv[4])),
                     .directory = argv[5]};
  const auto way = entry.make();
  way->prepare(task);
  if (std::strcmp(argv[1], "server") == 0) run_server_side(*way, peer_control);
  run_client_side(*way, task, static_cast<unsigned>(std::atoi(argv[6])), peer_control);
}

std::optional<WayEntry> describe_peer(const std::string& program) {
  std::istringstream lines(output_of(program));
  std::string line;
  if (!std::getline(lines, line) || line != greeting) return std::nullopt;
  WayEntry entry;
  std::getline(lines, entry.name);
  std::getline(lines, entry.does);
  std::getline(lines, line);
  std::istringstream works(line);
  for (int work; works >> work;) entry.works.push_back(static_cast<Work>(work));
  lines >> entry.bytes_min >> entry.bytes_max >> entry.warm_up_milliseconds >> entry.is_alone;
  if (!lines) return std::nullopt;
  entry.program = program;
  return entry;
}

}  // namespace bench
