// The code cache trusts nothing it finds and never fails.
#include <catch2/catch.hpp>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "core/file.hpp"
#include "core/options.hpp"
#include "runtime/jit/cache.hpp"
#include "tests/support/files.hpp"

namespace relaxon::jit {
namespace {

namespace fs = std::filesystem;
using Clock = fs::file_time_type::clock;

const std::string code(5000, '\x7f');

}  // namespace

TEST_CASE("code is found under its own key", "[cache]") {
  const testing::TemporaryFolder folder;
  const CodeCache cache(folder.path() / "made" / "on the way");
  CHECK(cache.find("a").why_not == "not in the cache");
  cache.store("a", code);
  cache.store("b", "");
  CHECK(cache.find("a").code == code);
  CHECK(cache.find("b").code == "");
  CHECK_FALSE(cache.find("c").code);
  cache.store("a", "other");
  CHECK(cache.find("a").code == "other");
}

TEST_CASE("a cache without a folder keeps nothing", "[cache]") {
  const CodeCache cache(std::nullopt);
  cache.store("a", code);
  CHECK_FALSE(cache.find("a").code);
  CHECK(cache.find("a").why_not == "the cache is off");
}

TEST_CASE("damaged entries of the code cache are not used", "[cache]") {
  const testing::TemporaryFolder folder;
  const CodeCache cache(folder.path());
  cache.store("key", code);
  const fs::path path = cache.path_of("key");
  const std::string whole = read_file(path);
  std::uint64_t state = 1;
  for (int i = 0; i < 300; ++i) {
    const std::string bytes = testing::mutated(whole, state);
    testing::write_bytes(path, bytes);
    const CodeCache::Found found = cache.find("key");
    INFO("mutation " << i);
    CHECK(found.code.has_value() == (bytes == whole));
    if (!found.code) CHECK(found.why_not == "its entry in the cache is damaged");
  }
  for (std::size_t length = 0; length < whole.size(); length += 97) {
    testing::write_bytes(path, whole.substr(0, length));
    CHECK_FALSE(cache.find("key").code);
  }
  cache.store("key", code);
  CHECK(cache.find("key").code == code);
}

TEST_CASE("an entry of another key is not used, whatever it is called", "[cache]") {
  const testing::TemporaryFolder folder;
  const CodeCache cache(folder.path());
  cache.store("foreign", code);
  fs::rename(cache.path_of("foreign"), cache.path_of("own"));
  CHECK_FALSE(cache.find("own").code);
  cache.store("own", "right");
  CHECK(cache.find("own").code == "right");
}

TEST_CASE("a code cache that can't be read or written is one that stays empty", "[cache]") {
  const testing::TemporaryFolder folder;
  const CodeCache cache(folder.path());
  fs::create_directory(cache.path_of("key"));
  cache.store("key", code);
  CHECK(cache.find("key").why_not == "its entry in the cache can't be read");
  CHECK(fs::is_directory(cache.path_of("key")));

  testing::write_bytes(folder.path() / "file", "not a folder");
  const CodeCache blocked(folder.path() / "file" / "cache");
  blocked.store("key", code);
  CHECK_FALSE(blocked.find("key").code);
  CHECK(read_file(folder.path() / "file") == "not a folder");
}

TEST_CASE("the code cache forgets what was used least recently, and nothing else", "[cache]") {
  const testing::TemporaryFolder folder;
  const CodeCache cache(folder.path(), 3 * code.size());
  testing::write_bytes(folder.path() / "notes.txt", std::string(1 << 20, 'x'));
  const auto age = [&](const std::string& key, int hours) {
    fs::last_write_time(cache.path_of(key), Clock::now() - std::chrono::hours(hours));
  };
  cache.store("first", code);
  cache.store("second", code);
  age("first", 3);
  age("second", 2);
  CHECK(cache.find("first").code == code);  // used now
  cache.store("third", code);
  CHECK(cache.find("first").code == code);
  CHECK_FALSE(cache.find("second").code);
  CHECK(cache.find("third").code == code);
  CHECK(fs::exists(folder.path() / "notes.txt"));
}

TEST_CASE("threads share a code cache", "[cache]") {
  const testing::TemporaryFolder folder;
  const CodeCache cache(folder.path());
  std::vector<std::thread> threads;
  std::vector<int> wrong(4);
  for (std::size_t t = 0; t < wrong.size(); ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) {
        const std::string key = "key " + std::to_string(i % 5);
        const std::string content(static_cast<std::size_t>(1000 * (i % 5) + 1), 'c');
        cache.store(key, content);
        const auto found = cache.find(key).code;
        if (found && *found != content) ++wrong[t];
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == std::vector<int>(4, 0));
  for (int i = 0; i < 5; ++i) CHECK(cache.find("key " + std::to_string(i)).code);
  CHECK(folder.names().size() == 5);  // no temporary files are left
}

TEST_CASE("the environment decides where generated code is kept", "[cache]") {
  const auto with = [](const char* own, const char* caches, const char* home) {
    const auto set = [](const char* name, const char* value) {
      if (value) {
        ::setenv(name, value, 1);
      } else {
        ::unsetenv(name);
      }
    };
    struct Kept {
      explicit Kept(const char* n) : name(n), value(environment(n)) {}
      ~Kept() {
        if (value) {
          ::setenv(name, value->c_str(), 1);
        } else {
          ::unsetenv(name);
        }
      }
      const char* name;
      std::optional<std::string> value;
    };
    const Kept a("RELAXON_CACHE"), b("XDG_CACHE_HOME"), c("HOME");
    set("RELAXON_CACHE", own);
    set("XDG_CACHE_HOME", caches);
    set("HOME", home);
    return code_cache_folder();
  };
  CHECK(with("off", "/caches", "/home/me") == std::nullopt);
  CHECK(with("/here", "/caches", "/home/me") == fs::path("/here"));
  CHECK(with(nullptr, "/caches", "/home/me") == fs::path("/caches/relaxon"));
  CHECK(with("", nullptr, "/home/me") == fs::path("/home/me/.cache/relaxon"));
  CHECK(with(nullptr, nullptr, nullptr) == std::nullopt);
}

}  // namespace relaxon::jit
