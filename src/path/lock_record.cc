#include <sstream>

#include "path/lock.h"

namespace tincan::path {

std::string LockRecord::text() const {
  std::ostringstream text;
  text << "tincan lock 1\n"
       << "pid " << pid << "\n"
       << "program " << program << "\n";
  for (const os::FileId& socket : sockets) {
    text << "socket " << socket.device << " " << socket.inode << "\n";
  }
  text << "end\n";
  return text.str();
}

LockRecord LockRecord::parse(const std::string& text) {
  LockRecord record;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line) && line != "end";) {
    std::istringstream words(line);
    std::string key;
    words >> key;
    if (key == "pid") {
      words >> record.pid;
    } else if (key == "program" && line.size() > key.size()) {
      record.program = line.substr(key.size() + 1);
    } else if (os::FileId socket; key == "socket" && words >> socket.device >> socket.inode) {
      record.sockets.push_back(socket);
    }
  }
  return record;
}

std::string LockRecord::holder() const {
  if (pid <= 0) return "another process";
  return "pid " + std::to_string(pid) + (program.empty() ? "" : " (" + program + ")");
}

}  // namespace tincan::path
