#include "app/isolate.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <map>

#include "app/isolate_confine.h"
#include "base/file.h"

namespace hauberk::app {
namespace {

using testing::HasSubstr;

// A folder that goes away.
class Folder {
 public:
  Folder() {
    std::string pattern = "/tmp/hauberk_isolate_XXXXXX";
    path_ = ::mkdtemp(pattern.data());
  }
  ~Folder() {
    SystemFiles files;
    for (const auto& name : files.list(path_).value_or(std::vector<std::string>{})) ::unlink(at(name).c_str());
    ::rmdir(path_.c_str());
  }
  std::string at(const std::string& name) const { return path_ + "/" + name; }
  std::string write(const std::string& name, std::string_view content) const {
    std::ofstream(at(name), std::ios::binary) << content;
    return at(name);
  }

 private:
  std::string path_;
};

constexpr std::string_view harmless = "\x80\x02}.";  // a pickled {}
constexpr std::string_view hostile =
    "\x80\x02"
    "cposix\nsystem\nU\x02"
    "id\x85R.";  // os.system("id")

IsolationOptions options_for(std::string worker = "scan-worker") {
  IsolationOptions options;
  options.worker[1] = std::move(worker);
  options.time_limit = std::chrono::seconds(20);
  return options;
}

std::vector<scan::Report> scan_all(const std::vector<std::string>& paths, const IsolationOptions& options) {
  std::vector<scan::Report> reports(paths.size());
  std::vector<int> calls(paths.size());
  IsolatedScanner scanner(options);
  const auto status = scanner.scan_paths(paths, [&](std::size_t index, scan::Report report) {
    ++calls.at(index);
    reports.at(index) = std::move(report);
  });
  EXPECT_TRUE(status) << status.error().text();
  EXPECT_TRUE(std::ranges::all_of(calls, [](int count) { return count == 1; }));
  return reports;
}

scan::Report attack(const std::string& name, const IsolationOptions& options = options_for()) {
  const Folder folder;
  return scan_all({folder.write("attack." + name, harmless)}, options)[0];
}

std::string rule_of(const scan::Report& report) { return report.findings.empty() ? "" : report.findings[0].rule; }

void expect_killed(const std::string& name) {
  const auto report = attack(name);
  EXPECT_EQ(report.verdict, scan::ScanVerdict::inconclusive) << name;
  EXPECT_EQ(rule_of(report), "isolate.forbidden") << name;
  ASSERT_FALSE(report.findings.empty());
  EXPECT_THAT(report.findings[0].message, HasSubstr("SIGSYS")) << name;
}

// The errno that an attack got where the filter did not stop it.
std::string errno_of(const std::string& name, const std::string& worker) {
  auto options = options_for(worker);
  options.require = {};
  const auto report = attack(name, options);
  return report.notes.size() == 2 ? report.notes[1] : report.findings.at(0).message;
}

bool kernel_has(Layer layer) {
  auto options = options_for();
  const auto report = isolation_report(options);
  return report && report->has(layer);
}

// A server on loopback that somebody might reach.
class Listener {
 public:
  Listener() : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(::bind(socket_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(socket_, 8), 0);
    EXPECT_EQ(::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
  }
  ~Listener() { ::close(socket_); }
  int port() const { return port_; }

 private:
  int socket_;
  int port_ = 0;
};

TEST(Isolate, says_which_layers_hold) {
  const auto report = isolation_report(options_for());
  ASSERT_TRUE(report) << report.error().text();
  for (const auto& layer : report->layers)
    RecordProperty(layer.name, (layer.active ? "active: " : "missing: ") + layer.detail);
  for (const auto layer : all_layers) EXPECT_TRUE(report->has(layer)) << name(layer) << " is missing on this machine";
  EXPECT_TRUE(report->to_json().find("privileges") != nullptr);
}

TEST(Isolate, ends_a_worker_that_opens_a_file) { expect_killed("open"); }
TEST(Isolate, ends_a_worker_that_lists_a_folder) { expect_killed("list"); }
TEST(Isolate, ends_a_worker_that_makes_a_file) { expect_killed("create"); }
TEST(Isolate, ends_a_worker_that_asks_whether_a_file_exists) { expect_killed("stat"); }
TEST(Isolate, ends_a_worker_that_connects) {
  const Listener listener;
  expect_killed("connect:" + std::to_string(listener.port()));
}
TEST(Isolate, ends_a_worker_that_makes_a_socket) { expect_killed("socket"); }
TEST(Isolate, ends_a_worker_that_starts_a_program) { expect_killed("exec"); }
TEST(Isolate, ends_a_worker_that_forks) { expect_killed("fork"); }
TEST(Isolate, ends_a_worker_that_traces_its_parent) { expect_killed("ptrace:" + std::to_string(::getpid())); }
TEST(Isolate, ends_a_worker_that_signals_its_parent) { expect_killed("kill:" + std::to_string(::getpid())); }
TEST(Isolate, ends_a_worker_that_makes_namespaces) { expect_killed("namespace"); }
TEST(Isolate, ends_a_worker_that_writes) { expect_killed("write"); }
TEST(Isolate, ends_a_worker_that_wants_executable_memory) { expect_killed("executable_memory"); }
TEST(Isolate, ends_a_worker_that_makes_memory_executable_later) { expect_killed("executable_later"); }

// Each layer holds alone, too: these workers have no filter.
TEST(Isolate, landlock_alone_keeps_files_away) {
  ASSERT_TRUE(kernel_has(Layer::landlock));
  EXPECT_EQ(errno_of("open", "scan-worker-without-seccomp"), "EACCES");
  EXPECT_EQ(errno_of("list", "scan-worker-without-seccomp"), "EACCES");
  EXPECT_EQ(errno_of("create", "scan-worker-without-seccomp"), "EACCES");
  EXPECT_EQ(errno_of("exec", "scan-worker-without-seccomp"), "EACCES");
}

TEST(Isolate, namespaces_alone_keep_the_network_away) {
  ASSERT_TRUE(kernel_has(Layer::namespaces));
  const Listener listener;
  EXPECT_EQ(errno_of("connect:" + std::to_string(listener.port()), "scan-worker-in-namespaces-only"), "ENETUNREACH");
}

TEST(Isolate, namespaces_alone_hide_other_processes) {
  ASSERT_TRUE(kernel_has(Layer::namespaces));
  EXPECT_EQ(errno_of("ptrace:" + std::to_string(::getpid()), "scan-worker-in-namespaces-only"), "ESRCH");
  EXPECT_EQ(errno_of("kill:" + std::to_string(::getpid()), "scan-worker-in-namespaces-only"), "ESRCH");
  EXPECT_EQ(attack("pid").notes.at(0), "1");
}

TEST(Isolate, capabilities_are_gone_without_the_filter) {
  EXPECT_EQ(errno_of("namespace", "scan-worker-without-seccomp"), "EPERM");
}

TEST(Isolate, gives_no_environment_and_no_descriptor_but_its_own) {
  ASSERT_EQ(::setenv("HAUBERK_TEST_SECRET", "swordfish", 1), 0);
  const int leaked = ::open("/etc/passwd", O_RDONLY);  // without O_CLOEXEC
  EXPECT_EQ(attack("environment").notes.at(0), "0");
  EXPECT_EQ(attack("descriptors").notes.at(0), "5");  // three of /dev/null, the socket, the file
  ::close(leaked);
}

TEST(Isolate, turns_a_crash_into_inconclusive_and_loses_nothing_else) {
  const Folder folder;
  std::vector<std::string> paths;
  for (int i = 0; i < 100; ++i)
    paths.push_back(folder.write("good" + std::to_string(i) + ".pkl", i % 10 == 3 ? hostile : harmless));
  const std::map<std::size_t, std::string> bad = {
      {0, "segfault"}, {7, "abort"}, {8, "stack"}, {40, "open"}, {99, "segfault.again"}};
  for (const auto& [index, name] : bad) paths[index] = folder.write("attack." + name, harmless);
  for (const unsigned jobs : {1u, 2u}) {
    auto options = options_for();
    options.jobs = jobs;
    const auto reports = scan_all(paths, options);
    for (std::size_t i = 0; i < reports.size(); ++i) {
      SCOPED_TRACE(reports[i].path);
      EXPECT_EQ(reports[i].path, paths[i]);
      const auto expected = bad.contains(i) ? scan::ScanVerdict::inconclusive
                            : i % 10 == 3   ? scan::ScanVerdict::malicious
                                            : scan::ScanVerdict::clean;
      EXPECT_EQ(reports[i].verdict, expected);
    }
    EXPECT_THAT(reports[0].findings.at(0).message, HasSubstr("SIGSEGV"));
    EXPECT_THAT(reports[7].findings.at(0).message, HasSubstr("SIGABRT"));
    EXPECT_EQ(rule_of(reports[8]), "isolate.crashed");
    EXPECT_EQ(rule_of(reports[40]), "isolate.forbidden");
  }
}

TEST(Isolate, ends_a_worker_that_takes_too_long) {
  if (sanitized) GTEST_SKIP() << "a sanitizer's own system calls end the worker before its time is up";
  auto options = options_for();
  options.time_limit = std::chrono::milliseconds(100);
  const auto report = attack("spin", options);
  EXPECT_EQ(report.verdict, scan::ScanVerdict::inconclusive);
  EXPECT_EQ(rule_of(report), "isolate.timeout");
}

TEST(Isolate, limits_memory) {
  if (sanitized) GTEST_SKIP() << "sanitizers need all addresses there are";
  auto options = options_for();
  options.memory = 512u << 20;
  const auto report = attack("memory", options);
  EXPECT_EQ(report.verdict, scan::ScanVerdict::inconclusive);
  EXPECT_EQ(rule_of(report), "isolate.memory");
}

TEST(Isolate, believes_no_nonsense) {
  for (const auto* kind : {"huge", "not_json", "out_of_range", "unknown"}) {
    const auto report = attack(std::string("nonsense:") + kind);
    EXPECT_EQ(report.verdict, scan::ScanVerdict::inconclusive) << kind;
    EXPECT_EQ(rule_of(report), "isolate.bad-answer") << kind;
  }
}

TEST(Isolate, refuses_to_scan_without_a_required_layer) {
  const Folder folder;
  const std::vector<std::string> paths = {folder.write("a.pkl", harmless)};
  IsolatedScanner scanner(options_for("scan-worker-in-namespaces-only"));
  bool called = false;
  const auto status = scanner.scan_paths(paths, [&](std::size_t, const scan::Report&) { called = true; });
  ASSERT_FALSE(status);
  EXPECT_FALSE(called);
  EXPECT_EQ(status.error().code, Errc::unavailable);
  EXPECT_THAT(status.error().message, HasSubstr("Missing: landlock; seccomp"));
  EXPECT_THAT(status.error().message, HasSubstr("isolation: {require: [namespaces]}"));
}

TEST(Isolate, scans_without_a_layer_that_is_not_required) {
  const Folder folder;
  auto options = options_for("scan-worker-in-namespaces-only");
  options.require = {Layer::namespaces};
  EXPECT_EQ(scan_all({folder.write("a.pkl", harmless)}, options)[0].verdict, scan::ScanVerdict::clean);
}

TEST(Isolate, says_so_when_no_worker_starts) {
  const Folder folder;
  const std::vector<std::string> paths = {folder.write("a.pkl", harmless)};
  for (const auto& worker :
       {std::vector<std::string>{"/proc/self/exe", "scan-worker-that-dies"}, {"/nowhere/hauberk", "scan-worker"}}) {
    auto options = options_for();
    options.worker = worker;
    IsolatedScanner scanner(options);
    const auto status = scanner.scan_paths(paths, [](std::size_t, const scan::Report&) { ADD_FAILURE(); });
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code, Errc::unavailable);
  }
}

TEST(Isolate, opens_regular_files_only_and_links_to_them) {
  const Folder folder;
  const auto real = folder.write("real.pkl", harmless);
  ASSERT_EQ(::symlink(real.c_str(), folder.at("to_file.pkl").c_str()), 0);
  ASSERT_EQ(::symlink("nowhere", folder.at("link.pkl").c_str()), 0);
  ASSERT_EQ(::symlink("/dev/zero", folder.at("to_device.pkl").c_str()), 0);
  ASSERT_EQ(::mkfifo(folder.at("pipe.pkl").c_str(), 0600), 0);
  const auto reports =
      scan_all({folder.at("link.pkl"), folder.at("pipe.pkl"), "/dev/null", "/tmp", folder.at("missing"),
                "/proc/self/maps", folder.at("to_device.pkl"), real, folder.at("to_file.pkl")},
               options_for());
  const std::vector<std::string> words = {"symbolic link", "no regular file",       "no regular file", "folder",
                                          "No such file",  "says that it is empty", "no regular file"};
  for (std::size_t i = 0; i < words.size(); ++i) {
    EXPECT_EQ(reports[i].verdict, scan::ScanVerdict::inconclusive);
    EXPECT_THAT(reports[i].findings.at(0).message, HasSubstr(words[i]));
  }
  EXPECT_EQ(reports[7].verdict, scan::ScanVerdict::clean);
  EXPECT_EQ(reports[8].verdict, scan::ScanVerdict::clean);
}

TEST(Isolate, hashes_when_asked) {
  const Folder folder;
  auto options = options_for();
  options.hash = true;
  const auto path = folder.write("a.pkl", harmless);
  EXPECT_EQ(scan_all({path}, options)[0].sha256, crypto::sha256(as_bytes(harmless)));
  EXPECT_EQ(scan_all({path}, options_for())[0].sha256, std::nullopt);
}

IsolatedScanner::ReadAt reader_of(std::string_view data, std::vector<std::uint64_t>* asked = nullptr) {
  return [data, asked](std::uint64_t offset, MutableBytes out) -> Result<std::size_t> {
    if (asked != nullptr) asked->push_back(offset);
    const auto part = data.substr(offset, out.size());
    std::ranges::copy(as_bytes(part), out.begin());
    return part.size();
  };
}

TEST(Isolate, scans_what_only_the_parent_can_read) {
  IsolatedScanner scanner(options_for());
  std::vector<std::uint64_t> asked;
  const auto clean = scanner.scan_reader("a.pkl", harmless.size(), reader_of(harmless, &asked));
  ASSERT_TRUE(clean) << clean.error().text();
  EXPECT_EQ(clean->verdict, scan::ScanVerdict::clean);
  EXPECT_FALSE(asked.empty());
  const auto bad = scanner.scan_reader("b.pkl", hostile.size(), reader_of(hostile));
  ASSERT_TRUE(bad) << bad.error().text();
  EXPECT_EQ(bad->verdict, scan::ScanVerdict::malicious);
  EXPECT_EQ(bad->path, "b.pkl");
}

TEST(Isolate, reads_remotely_the_same_bytes_as_from_a_file) {
  std::string big(5u << 20, '\0');
  for (std::size_t i = 0; i < big.size(); ++i) big[i] = static_cast<char>(i * 2654435761u >> 13);
  auto options = options_for();
  options.hash = true;
  IsolatedScanner scanner(options);
  const auto report = scanner.scan_reader("noise.bin", big.size(), reader_of(big));
  ASSERT_TRUE(report) << report.error().text();
  EXPECT_EQ(report->sha256, crypto::sha256(as_bytes(big)));
}

TEST(Isolate, hands_on_what_the_reader_says) {
  IsolatedScanner scanner(options_for());
  const auto report = scanner.scan_reader("a.pkl", 100, [](std::uint64_t, MutableBytes) -> Result<std::size_t> {
    return fail(Errc::corrupt, "the blob was tampered with");
  });
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, Errc::corrupt);
}

TEST(Isolate, ends_a_remote_scan_that_does_what_it_may_not) {
  IsolatedScanner scanner(options_for());
  const auto opened = scanner.scan_reader("attack.open", harmless.size(), reader_of(harmless));
  ASSERT_TRUE(opened);
  EXPECT_EQ(rule_of(*opened), "isolate.forbidden");
  const auto asked = scanner.scan_reader("attack.nonsense:out_of_range", harmless.size(), reader_of(harmless));
  ASSERT_TRUE(asked);
  EXPECT_EQ(rule_of(*asked), "isolate.bad-answer");
  EXPECT_EQ(asked->verdict, scan::ScanVerdict::inconclusive);
}

TEST(Isolate, scans_three_thousand_small_files_and_says_how_long_it_took) {
  const Folder folder;
  std::vector<std::string> paths;
  for (int i = 0; i < 3000; ++i) paths.push_back(folder.write("f" + std::to_string(i) + ".pkl", harmless));
  const SystemClock clock;
  const auto start = clock.tick();
  const auto reports = scan_all(paths, options_for());
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(clock.tick() - start);
  RecordProperty("milliseconds", static_cast<int>(took.count()));
  std::printf("3000 files of %zu bytes: %lld ms\n", harmless.size(), static_cast<long long>(took.count()));
  EXPECT_EQ(scan::overall(reports), scan::ScanVerdict::clean);
}

}  // namespace
}  // namespace hauberk::app
