@0xb0e5a6c7d1f24893;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("bench");

# What one client talks to.
interface Echo {
  exchange @0 (message :Data) -> (answer :Data);
  # Nobody answers; the library says how many may be under way.
  take @1 (message :Data) -> stream;
}

# What a connection begins with.
interface Door {
  enter @0 () -> (echo :Echo);
}
