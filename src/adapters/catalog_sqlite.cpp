#include "adapters/catalog_sqlite.h"

#include <fmt/format.h>
#include <sqlite3.h>
#include <string.h>

#include <cerrno>
#include <mutex>
#include <unordered_map>

#include "adapters/catalog_sqlite_file.h"
#include "adapters/catalog_sqlite_schema.h"
#include "base/file.h"
#include "base/log.h"

namespace hauberk::adapters {
namespace {

constexpr int application_id = 0x48425243;  // "HBRC": tells our files from those of other programs
constexpr int busy_timeout_ms = 10'000;     // another process may hold the writer's lock for one commit or migration

const int newest_schema = static_cast<int>(catalog_migrations().size());

// The connection, its prepared statements and the one translation of SQLite's codes into ours.
class Database {
 public:
  explicit Database(std::string path) : path_(std::move(path)) {}
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  ~Database() {
    for (const auto& [sql, statement] : statements_) sqlite3_finalize(statement);
    sqlite3_close(handle_);  // checkpoints, if it is the last connection
  }

  Status open(int flags) {
    const auto name = (flags & SQLITE_OPEN_URI) != 0 ? immutable_uri(path_) : path_;
    const int rc =
        sqlite3_open_v2(name.c_str(), &handle_, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE, nullptr);
    if (handle_ != nullptr) sqlite3_extended_result_codes(handle_, 1);
    if (rc != SQLITE_OK) return error(rc);
    sqlite3_busy_timeout(handle_, busy_timeout_ms);
    // What the file says about itself (views, triggers, functions) gets no more rights than the program's own SQL
    // needs.
    sqlite3_db_config(handle_, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
    sqlite3_db_config(handle_, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
    return {};
  }

  Status run(const char* sql) {
    const int rc = sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr);
    return rc == SQLITE_OK ? Status{} : error(rc);
  }

  // Statements live as long as the connection; the key is the literal's address.
  Result<sqlite3_stmt*> prepare(const char* sql) {
    if (const auto found = statements_.find(sql); found != statements_.end()) return found->second;
    sqlite3_stmt* statement = nullptr;
    const int rc = sqlite3_prepare_v3(handle_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
    if (rc != SQLITE_OK) return error(rc);
    statements_.emplace(sql, statement);
    return statement;
  }

  std::unexpected<Error> error(int rc) const {
    const auto say = [&](Errc code, std::string message) { return fail(code, std::move(message), path_); };
    switch (rc & 0xff) {
      case SQLITE_CORRUPT:
      case SQLITE_NOTADB:
        return say(Errc::corrupt,
                   "the catalogue is damaged or cut off; stop hauberk, keep the file for analysis and restore the last "
                   "backup of it");
      case SQLITE_FULL:
        return say(Errc::exhausted, "the disk is full, nothing was changed; make room and try again");
      case SQLITE_READONLY:
      case SQLITE_PERM:
        return say(
            Errc::unavailable,
            "the catalogue cannot be written; check that its folder is mounted read-write and belongs to this user");
      case SQLITE_CANTOPEN:
        return say(Errc::unavailable,
                   "the catalogue cannot be opened; check that its folder exists and belongs to this user");
      case SQLITE_BUSY:
      case SQLITE_LOCKED:
        return say(Errc::unavailable, "another process has kept the catalogue locked for too long; try again");
      case SQLITE_IOERR:
        if (rc == SQLITE_IOERR_SHORT_READ)
          return say(
              Errc::corrupt,
              "the catalogue is cut off; stop hauberk, keep the file for analysis and restore the last backup of it");
        return say(
            Errc::unavailable,
            fmt::format(
                "reading or writing the catalogue failed ({}); check the disk, its free space and limits of file size",
                system_reason()));
      case SQLITE_NOMEM:
        return say(Errc::exhausted, "the catalogue ran out of memory");
      default:
        return say(Errc::internal, fmt::format("the catalogue failed: {} ({})", sqlite3_errmsg(handle_), rc));
    }
  }

  sqlite3* handle() { return handle_; }
  const std::string& path() const { return path_; }

 private:
  std::string system_reason() const {
    const int code = sqlite3_system_errno(handle_);
    return code == 0 ? "input/output error" : ::strerror(code);
  }

  std::string path_;
  sqlite3* handle_ = nullptr;
  std::unordered_map<const char*, sqlite3_stmt*> statements_;
};

// One run of a prepared statement. Errors of preparing and binding come out of step().
class Query {
 public:
  template <class... Args>
  Query(Database& db, const char* sql, const Args&... args) : db_(db) {
    auto statement = db.prepare(sql);
    if (!statement) {
      failed_ = std::move(statement).error();
      return;
    }
    statement_ = *statement;
    int index = 0;
    (bind(++index, args), ...);
  }
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;
  ~Query() {
    if (statement_ == nullptr) return;  // it could not be prepared
    sqlite3_reset(statement_);
    sqlite3_clear_bindings(statement_);
  }

  // True: a row can be read; false: done.
  Result<bool> step() {
    if (failed_) return std::unexpected(*failed_);
    const int rc = sqlite3_step(statement_);
    if (rc == SQLITE_ROW) return true;
    if (rc == SQLITE_DONE) return false;
    return db_.error(rc);
  }
  Status run() {
    auto done = step();
    return done ? Status{} : std::unexpected(std::move(done).error());
  }

  bool is_null(int column) { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }
  std::int64_t integer(int column) { return sqlite3_column_int64(statement_, column); }
  std::string text(int column) { return std::string(as_text(blob_view(column))); }
  Bytes blob(int column) { return to_bytes(blob_view(column)); }
  Instant instant(int column) { return Instant(Duration(integer(column))); }
  Result<Digest> digest(int column) {
    const auto view = blob_view(column);
    Digest digest;
    if (view.size() != digest.bytes.size())
      return fail(Errc::corrupt, "a digest in the catalogue has a wrong length; restore the last backup", db_.path());
    std::copy(view.begin(), view.end(), digest.bytes.begin());
    return digest;
  }

 private:
  ByteView blob_view(int column) {
    const auto* data = static_cast<const std::uint8_t*>(sqlite3_column_blob(statement_, column));
    return {data, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
  }
  void check(int rc) {
    if (rc != SQLITE_OK && !failed_) failed_ = db_.error(rc).error();
  }
  // The bound values outlive the query: callers pass what lives in their own frame.
  void bind(int index, std::string_view text) {
    check(sqlite3_bind_text64(statement_, index, text.empty() ? "" : text.data(), text.size(), SQLITE_STATIC,
                              SQLITE_UTF8));
  }
  void bind(int index, ByteView bytes) {
    check(bytes.empty() ? sqlite3_bind_zeroblob(statement_, index, 0)
                        : sqlite3_bind_blob64(statement_, index, bytes.data(), bytes.size(), SQLITE_STATIC));
  }
  void bind(int index, const Digest& digest) { bind(index, ByteView(digest.bytes)); }
  void bind(int index, std::int64_t number) { check(sqlite3_bind_int64(statement_, index, number)); }
  void bind(int index, std::uint64_t number) { bind(index, static_cast<std::int64_t>(number)); }
  void bind(int index, std::uint32_t number) { bind(index, static_cast<std::int64_t>(number)); }
  void bind(int index, Instant when) { bind(index, static_cast<std::int64_t>(when.time_since_epoch().count())); }
  void bind(int index, Environment environment) { bind(index, name(environment)); }
  void bind(int index, VersionState state) { bind(index, name(state)); }
  template <class T>
  void bind(int index, const std::optional<T>& value) {
    if (value) bind(index, *value);  // an unbound parameter is NULL
  }

  Database& db_;
  sqlite3_stmt* statement_ = nullptr;
  std::optional<Error> failed_;
};

// A transaction that is undone unless it was committed.
class Transaction {
 public:
  explicit Transaction(Database& db) : db_(db) {}
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  ~Transaction() {
    if (open_) (void)db_.run("ROLLBACK");  // SQLite may have rolled back by itself already
  }
  Status begin_writing() { return begin("BEGIN IMMEDIATE"); }  // waits for other writers here, not in the middle
  Status begin_reading() { return begin("BEGIN DEFERRED"); }
  Status commit_change() {
    CHECK(Query(db_, "UPDATE changes SET counter = counter + 1").run());
    return commit();
  }
  Status commit() {
    CHECK(db_.run("COMMIT"));
    open_ = false;
    return {};
  }

 private:
  Status begin(const char* sql) {
    CHECK(db_.run(sql));
    open_ = true;
    return {};
  }
  Database& db_;
  bool open_ = false;
};

Result<std::int64_t> pragma(Database& db, const char* sql) {
  Query query(db, sql);
  return TRY(query.step()) ? query.integer(0) : 0;
}

Status migrate(Database& db) {
  if (TRY(pragma(db, "PRAGMA user_version")) == newest_schema) return {};  // the common case needs no lock
  Transaction transaction(db);
  CHECK(transaction.begin_writing());
  const auto found = TRY(pragma(db, "PRAGMA user_version"));
  if (found == newest_schema) return {};  // another process was faster
  if (found > newest_schema)
    return fail(
        Errc::unsupported,
        fmt::format("the catalogue was written by a newer hauberk (schema {}, this one knows {}); use that version",
                    found, newest_schema),
        db.path());
  for (auto next = found; next < newest_schema; ++next)
    CHECK(db.run(catalog_migrations()[static_cast<std::size_t>(next)]));
  CHECK(db.run(
      fmt::format("PRAGMA application_id = {}; PRAGMA user_version = {}", application_id, newest_schema).c_str()));
  return transaction.commit();
}

// Killed while it was made, a file may hold a header and nothing else; making it once more finishes it.
Result<bool> is_unfinished(Database& db) {
  return TRY(pragma(db, "PRAGMA application_id")) == 0 && TRY(pragma(db, "SELECT count(*) FROM sqlite_schema")) == 0;
}

// What a program that opens an existing file must know before it believes any of it.
enum class Access { read, write };
Status check_file(Database& db, Access access = Access::write) {
  if (TRY(is_unfinished(db)))
    return fail(Errc::not_found, "the catalogue was never finished; run `hauberk init` again", db.path());
  if (TRY(pragma(db, "PRAGMA application_id")) != application_id)
    return fail(Errc::corrupt,
                "this is not a catalogue of hauberk; check the data directory, or restore the last backup", db.path());
  if (access == Access::write && sqlite3_db_readonly(db.handle(), "main") == 1) return db.error(SQLITE_READONLY);
  Query query(db, "PRAGMA quick_check(1)");
  if (!TRY(query.step()) || query.text(0) != "ok") return db.error(SQLITE_CORRUPT);
  return {};
}

#define VERSION_COLUMNS                                                                                          \
  "SELECT v.name, v.number, v.state, v.imported_by, v.imported, v.origin, a.digest, a.manifest FROM versions v " \
  "JOIN artifacts a ON a.digest = v.artifact "

class CatalogSqlite final : public Catalog {
 public:
  explicit CatalogSqlite(const std::string& path) : db_(path) {}

  Status start(CatalogMode mode, bool in_memory) {
    if (!in_memory && mode == CatalogMode::open && TRY(only_readable(db_.path()))) return start_reading();
    CHECK(db_.open(SQLITE_OPEN_READWRITE | (in_memory ? SQLITE_OPEN_MEMORY | SQLITE_OPEN_CREATE : 0)));
    if (mode == CatalogMode::open)
      CHECK(check_file(db_));
    else if (!TRY(is_unfinished(db_)))
      return fail(Errc::exists, "there is a catalogue already; nothing was changed", db_.path());
    CHECK(db_.run(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA cell_size_check = ON"));
    return migrate(db_);
  }

  Status start_reading() {
    CHECK(db_.open(SQLITE_OPEN_READONLY | SQLITE_OPEN_URI));
    CHECK(check_file(db_, Access::read));
    if (TRY(pragma(db_, "PRAGMA user_version")) == newest_schema) return {};
    return fail(
        Errc::unsupported,
        "the catalogue is of another version of hauberk, and the folder can only be read: open it once where it "
        "can be written",
        db_.path());
  }

  Result<Version> add_version(Version version, std::vector<WrappedKey> keys, std::vector<Evidence> evidence) override {
    CHECK(check_name(version.name));
    if (version.state != VersionState::quarantined)
      return fail(Errc::invalid, "a new version is quarantined", version.name);
    const auto artifact = version.manifest.digest();
    const auto manifest = version.manifest.canonical();
    const std::lock_guard lock(mutex_);
    Transaction transaction(db_);
    CHECK(transaction.begin_writing());
    {
      Query same(db_, "SELECT number FROM versions WHERE name = ? AND artifact = ?", version.name, artifact);
      if (TRY(same.step()))
        return fail(Errc::exists, fmt::format("these very files are already {}@{}", version.name, same.integer(0)),
                    version.name);
      Query newest(db_, "SELECT coalesce(max(number), 0) FROM versions WHERE name = ?", version.name);
      TRY(newest.step());
      version.number = static_cast<std::uint32_t>(newest.integer(0)) + 1;
    }
    CHECK(Query(db_, "INSERT INTO artifacts VALUES (?, ?) ON CONFLICT DO NOTHING", artifact, manifest).run());
    CHECK(Query(db_, "INSERT INTO versions VALUES (?, ?, ?, ?, ?, ?, ?)", version.name, version.number, version.state,
                artifact, version.imported_by, version.imported, version.origin)
              .run());
    for (const auto& key : keys)
      CHECK(Query(db_, "INSERT INTO wrapped_keys VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", key.blob, key.environment,
                  key.key_id, ByteView(key.wrapped))
                .run());
    CHECK(insert_evidence(artifact, evidence));
    CHECK(transaction.commit_change());
    return version;
  }

  Result<Version> version(const VersionRef& ref) override {
    const std::lock_guard lock(mutex_);
    return find_version(ref);
  }

  Result<std::vector<Version>> versions(std::string_view name) override {
    const std::lock_guard lock(mutex_);
    Query query(db_, VERSION_COLUMNS "WHERE ?1 = '' OR name = ?1 ORDER BY name, number", name);
    std::vector<Version> found;
    while (TRY(query.step())) found.push_back(TRY(read_version(query)));
    return found;
  }

  Status change_state(const StateChange& change) override {
    if (change.entry.has_value() != change.environment.has_value() ||
        change.entry.has_value() == change.deployment.empty())
      return fail(Errc::invalid, "a deployment entry needs its environment and its name", change.version.text());
    const std::lock_guard lock(mutex_);
    Transaction transaction(db_);
    CHECK(transaction.begin_writing());
    const auto version = TRY(find_version(change.version));
    if (version.state != change.expected)
      return fail(Errc::precondition,
                  fmt::format("it is {} by now, not {}; look at it again before you go on", name(version.state),
                              name(change.expected)),
                  version.ref());
    TRY(find_transition(change.expected, change.next));
    CHECK(Query(db_, "UPDATE versions SET state = ? WHERE name = ? AND number = ?", change.next, version.name,
                version.number)
              .run());
    CHECK(insert_evidence(version.manifest.digest(), change.evidence));
    CHECK(replace_keys(change.keys));
    if (change.entry) TRY(append_entry(*change.environment, change.deployment, *change.entry));
    return transaction.commit_change();
  }

  Status add_evidence(const Digest& artifact, const std::vector<Evidence>& evidence) override {
    const std::lock_guard lock(mutex_);
    Transaction transaction(db_);
    CHECK(transaction.begin_writing());
    CHECK(insert_evidence(artifact, evidence));
    return transaction.commit_change();
  }

  Result<std::vector<std::string>> evidence(const Digest& artifact) override {
    const std::lock_guard lock(mutex_);
    Query query(db_, "SELECT envelope FROM evidence WHERE artifact = ? ORDER BY sequence", artifact);
    std::vector<std::string> envelopes;
    while (TRY(query.step())) envelopes.push_back(query.text(0));
    return envelopes;
  }

  Result<std::optional<WrappedKey>> wrapped_key(const Digest& blob, Environment environment) override {
    const std::lock_guard lock(mutex_);
    Query query(db_, "SELECT key_id, wrapped FROM wrapped_keys WHERE blob = ? AND environment = ?", blob, environment);
    if (!TRY(query.step())) return std::nullopt;
    return WrappedKey{blob, environment, query.text(0), query.blob(1)};
  }

  Status put_wrapped_keys(const std::vector<WrappedKey>& keys) override {
    const std::lock_guard lock(mutex_);
    Transaction transaction(db_);
    CHECK(transaction.begin_writing());
    CHECK(replace_keys(keys));
    return transaction.commit_change();
  }

  Result<std::vector<Deployment>> deployments(Environment environment) override {
    const std::lock_guard lock(mutex_);
    Transaction transaction(db_);  // one moment for all of it
    CHECK(transaction.begin_reading());
    std::vector<std::string> names;
    {
      Query query(db_, "SELECT name FROM deployments WHERE environment = ? ORDER BY name", environment);
      while (TRY(query.step())) names.push_back(query.text(0));
    }
    std::vector<Deployment> found;
    for (const auto& name : names) found.push_back(TRY(find_deployment(environment, name)));
    CHECK(transaction.commit());
    return found;
  }

  Result<Deployment> deployment(Environment environment, std::string_view name) override {
    const std::lock_guard lock(mutex_);
    Transaction transaction(db_);
    CHECK(transaction.begin_reading());
    auto found = TRY(find_deployment(environment, name));
    CHECK(transaction.commit());
    return found;
  }

  Result<std::uint64_t> deploy(Environment environment, std::string_view name, const DeploymentEntry& entry) override {
    const std::lock_guard lock(mutex_);
    Transaction transaction(db_);
    CHECK(transaction.begin_writing());
    const auto id = TRY(append_entry(environment, name, entry));
    CHECK(transaction.commit_change());
    return id;
  }

  Status point_at(Environment environment, std::string_view name, std::uint64_t expected_current, std::uint64_t entry,
                  const std::vector<Evidence>& evidence, const Digest& artifact) override {
    const std::lock_guard lock(mutex_);
    Transaction transaction(db_);
    CHECK(transaction.begin_writing());
    const auto deployment = TRY(find_deployment(environment, name));
    if (deployment.current != expected_current)
      return fail(Errc::precondition,
                  fmt::format("it serves entry {} by now, not {}; look at it again before you go on",
                              deployment.current, expected_current),
                  std::string(name));
    Query target(
        db_,
        "SELECT v.state FROM deployment_entries e LEFT JOIN versions v ON v.name = e.model AND v.number = e.version "
        "WHERE e.environment = ? AND e.name = ? AND e.id = ?",
        environment, name, entry);
    if (!TRY(target.step())) return fail(Errc::not_found, fmt::format("it has no entry {}", entry), std::string(name));
    if (!target.is_null(0) && target.text(0) == hauberk::name(VersionState::revoked))
      return fail(Errc::precondition, fmt::format("the version of entry {} is revoked", entry), std::string(name));
    CHECK(Query(db_, "UPDATE deployments SET current = ? WHERE environment = ? AND name = ?", entry, environment, name)
              .run());
    CHECK(insert_evidence(artifact, evidence));
    return transaction.commit_change();
  }

  Status add_token(const TokenRecord& token) override {
    const auto scopes_text = write_scopes(token.scopes);
    const std::lock_guard lock(mutex_);
    Transaction transaction(db_);
    CHECK(transaction.begin_writing());
    {
      Query same(db_, "SELECT 1 FROM tokens WHERE environment = ? AND id = ?", token.environment, token.id);
      if (TRY(same.step())) return fail(Errc::exists, "a token with this id exists already", token.id);
    }
    CHECK(Query(db_, "INSERT INTO tokens VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", token.environment, token.id,
                token.subject, scopes_text, ByteView(token.mac), token.created, token.expires, token.revoked,
                std::int64_t{token.service}, std::int64_t{token.inherit}, write_names(token.made_by),
                ByteView(token.mark))
              .run());
    return transaction.commit_change();
  }

  Status revoke_token(Environment environment, std::string_view id, Instant when, const Digest& spent) override {
    const std::lock_guard lock(mutex_);
    Transaction transaction(db_);
    CHECK(transaction.begin_writing());
    // Revoked stays revoked since the first time.
    CHECK(Query(db_,
                "UPDATE tokens SET mac = iif(revoked IS NULL, ?, mac), revoked = coalesce(revoked, ?) WHERE "
                "environment = ? AND id = ?",
                spent, when, environment, id)
              .run());
    if (sqlite3_changes(db_.handle()) == 0)
      return fail(Errc::not_found, "there is no such token in this environment", std::string(id));
    return transaction.commit_change();
  }

  Result<std::vector<TokenRecord>> tokens(Environment environment) override {
    const std::lock_guard lock(mutex_);
    Query query(
        db_,
        "SELECT id, subject, scopes, mac, created, expires, revoked, service, inherit, made_by, mark FROM tokens WHERE "
        "environment = ? ORDER BY created, id",
        environment);
    std::vector<TokenRecord> found;
    while (TRY(query.step())) {
      TokenRecord token{query.text(0), environment, query.text(1), {}, query.blob(3), query.instant(4), {}, {}};
      token.scopes = TRY(read_scopes(query.text(2)));
      if (!query.is_null(5)) token.expires = query.instant(5);
      if (!query.is_null(6)) token.revoked = query.instant(6);
      token.service = query.integer(7) != 0;
      token.inherit = query.integer(8) != 0;
      token.made_by = TRY(read_names(query.text(9)));
      token.mark = query.blob(10);
      found.push_back(std::move(token));
    }
    return found;
  }

  Status put_role(const CustomRole& role) override {
    const auto grants = write_scopes(role.grants);
    return change([&]() -> Status {
      return Query(db_, "INSERT OR REPLACE INTO roles VALUES (?, ?, ?, ?, ?)", role.environment, role.name, grants,
                   role.summary, role.seal)
          .run();
    });
  }

  Status remove_role(Environment environment, std::string_view name) override {
    return change([&]() -> Status {
      Query bound(db_, "SELECT subject FROM bindings WHERE environment = ? AND role = ? LIMIT 1", environment, name);
      if (TRY(bound.step()))
        return fail(Errc::precondition, fmt::format("{} still has it; unbind it first", bound.text(0)),
                    std::string(name));
      CHECK(Query(db_, "DELETE FROM roles WHERE environment = ? AND name = ?", environment, name).run());
      if (sqlite3_changes(db_.handle()) == 0)
        return fail(Errc::not_found, "there is no such role in this environment", std::string(name));
      return {};
    });
  }

  Result<std::vector<CustomRole>> roles(Environment environment) override {
    const std::lock_guard lock(mutex_);
    Query query(db_, "SELECT name, grants, summary, seal FROM roles WHERE environment = ? ORDER BY name", environment);
    std::vector<CustomRole> found;
    while (TRY(query.step()))
      found.push_back({environment, query.text(0), TRY(read_scopes(query.text(1))), query.text(2), query.text(3)});
    return found;
  }

  Status bind(const Binding& binding) override {
    return change([&]() -> Status {
      CHECK(Query(db_, "INSERT OR IGNORE INTO bindings VALUES (?, ?, ?, ?, ?)", binding.environment, binding.subject,
                  binding.role, binding.pattern, binding.seal)
                .run());
      if (sqlite3_changes(db_.handle()) == 0)
        return fail(Errc::exists, "the subject has this role already", binding.subject);
      return {};
    });
  }

  Status unbind(const Binding& binding) override {
    return change([&]() -> Status {
      CHECK(Query(db_, "DELETE FROM bindings WHERE environment = ? AND subject = ? AND role = ? AND pattern = ?",
                  binding.environment, binding.subject, binding.role, binding.pattern)
                .run());
      if (sqlite3_changes(db_.handle()) == 0)
        return fail(Errc::not_found, "the subject does not have this role", binding.subject);
      return {};
    });
  }

  Result<std::vector<Binding>> bindings(Environment environment) override {
    const std::lock_guard lock(mutex_);
    Query query(
        db_, "SELECT subject, role, pattern, seal FROM bindings WHERE environment = ? ORDER BY subject, role, pattern",
        environment);
    std::vector<Binding> found;
    while (TRY(query.step()))
      found.push_back({environment, query.text(0), query.text(1), query.text(2), query.text(3)});
    return found;
  }

  Status add_revocation(const Revocation& one, std::string_view subject) override {
    return change([&]() -> Status {
      CHECK(Query(db_,
                  "INSERT INTO revocations (environment, thing, value, reason, since, subject) SELECT ?1, ?2, ?3, ?4, "
                  "?5, ?6 WHERE NOT EXISTS (SELECT 1 FROM revocations WHERE environment = ?1 AND thing = ?2 AND "
                  "value = ?3 AND since <= ?5)",
                  one.environment, name(one.thing), one.value, one.reason, one.since, subject)
                .run());
      if (sqlite3_changes(db_.handle()) == 0) return fail(Errc::exists, "it is revoked already", one.value);
      return {};
    });
  }

  Result<std::vector<Revocation>> revocations(Environment environment) override {
    const std::lock_guard lock(mutex_);
    Query query(db_, "SELECT thing, value, reason, since FROM revocations WHERE environment = ? ORDER BY sequence",
                environment);
    std::vector<Revocation> found;
    while (TRY(query.step())) {
      const auto thing = parse_revocable(query.text(0));
      if (!thing)
        return fail(Errc::corrupt, "a revocation in the catalogue is damaged; restore the last backup of it",
                    db_.path());
      found.push_back({environment, *thing, query.text(1), query.text(2), query.instant(3)});
    }
    return found;
  }

  Result<std::uint64_t> change_counter() override {
    const std::lock_guard lock(mutex_);
    Query query(db_, "SELECT counter FROM changes");
    if (!TRY(query.step())) return db_.error(SQLITE_CORRUPT);
    return static_cast<std::uint64_t>(query.integer(0));
  }

 private:
  // One change of the catalogue, whole or not at all.
  template <class Body>
  Status change(const Body& body) {
    const std::lock_guard lock(mutex_);
    Transaction transaction(db_);
    CHECK(transaction.begin_writing());
    CHECK(body());
    return transaction.commit_change();
  }

  static std::string write_names(const std::vector<std::string>& names) {
    auto list = json::Value::array();
    for (const auto& name : names) list.push(name);
    return json::write(list);
  }
  Result<std::vector<std::string>> read_names(const std::string& text) {
    const auto list = json::parse(text);
    if (!list || !list->is_array())
      return fail(Errc::corrupt, "a list in the catalogue is damaged; restore the last backup of it", db_.path());
    std::vector<std::string> names;
    for (const auto& name : *list->as_array())
      if (const auto* one = name.as_string()) names.push_back(*one);
    return names;
  }
  static std::string write_scopes(const std::vector<Scope>& scopes) {
    std::vector<std::string> texts;
    for (const auto& scope : scopes) texts.push_back(scope.text());
    return write_names(texts);
  }
  // A grant that this version does not understand grants nothing, and the others stay what they are.
  Result<std::vector<Scope>> read_scopes(const std::string& text) {
    std::vector<Scope> scopes;
    for (const auto& scope : TRY(read_names(text)))
      if (auto parsed = Scope::parse(scope))
        scopes.push_back(std::move(*parsed));
      else
        log::warning("a stored grant is not understood and grants nothing; make the token or role again",
                     {{"grant", scope}});
    return scopes;
  }

  Result<Version> read_version(Query& row) {
    const auto state = parse_version_state(row.text(2));
    auto manifest = Manifest::parse(row.text(7));
    const auto digest = TRY(row.digest(6));
    Version version{
        row.text(0), static_cast<std::uint32_t>(row.integer(1)), VersionState::revoked, {}, row.text(3), row.instant(4),
        row.text(5)};
    if (!state || !manifest || manifest->digest() != digest)
      return fail(Errc::corrupt,
                  "the catalogue's record of this version is not what was written; restore the last backup",
                  version.ref());
    version.state = *state;
    version.manifest = *std::move(manifest);
    return version;
  }

  Result<Version> find_version(const VersionRef& ref) {
    Query query(db_, VERSION_COLUMNS "WHERE v.name = ?1 AND (v.number = ?2 OR ?2 = 0) ORDER BY v.number DESC LIMIT 1",
                ref.name, ref.number);
    if (!TRY(query.step()))
      return fail(Errc::not_found, "there is no such version; `hauberk model list` shows what there is", ref.text());
    return read_version(query);
  }

  Status insert_evidence(const Digest& artifact, const std::vector<Evidence>& evidence) {
    for (const auto& piece : evidence)
      CHECK(Query(db_, "INSERT INTO evidence (id, artifact, envelope) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                  piece.id, artifact, piece.envelope)
                .run());
    return {};
  }

  Status replace_keys(const std::vector<WrappedKey>& keys) {
    for (const auto& key : keys)
      CHECK(Query(db_, "INSERT OR REPLACE INTO wrapped_keys VALUES (?, ?, ?, ?)", key.blob, key.environment, key.key_id,
                  ByteView(key.wrapped))
                .run());
    return {};
  }

  Result<std::uint64_t> append_entry(Environment environment, std::string_view name, const DeploymentEntry& entry) {
    CHECK(check_name(name));
    const auto& spec = entry.spec;
    const auto config = json::write(spec.config);
    std::optional<std::string_view> model;
    std::optional<std::uint32_t> version;
    std::optional<Digest> artifact;
    if (!spec.model.empty()) {
      Query known(db_, "SELECT 1 FROM versions WHERE name = ? AND number = ? AND artifact = ?", spec.model,
                  spec.version, spec.artifact);
      if (!TRY(known.step()))
        return fail(Errc::not_found,
                    fmt::format("there is no version {}@{} with that digest", spec.model, spec.version),
                    std::string(name));
      model = spec.model;
      version = spec.version;
      artifact = spec.artifact;
    }
    std::uint64_t id = 0;
    {
      Query newest(db_, "SELECT coalesce(max(id), 0) + 1 FROM deployment_entries WHERE environment = ? AND name = ?",
                   environment, name);
      TRY(newest.step());
      id = static_cast<std::uint64_t>(newest.integer(0));
    }
    CHECK(Query(db_, "INSERT INTO deployment_entries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", environment, name, id,
                model, version, artifact, config, entry.time, entry.by, entry.reason)
              .run());
    CHECK(Query(db_, "INSERT OR REPLACE INTO deployments VALUES (?, ?, ?)", environment, name, id).run());
    return id;
  }

  Result<Deployment> find_deployment(Environment environment, std::string_view name) {
    Deployment deployment{environment, std::string(name), 0, {}};
    {
      Query query(db_, "SELECT current FROM deployments WHERE environment = ? AND name = ?", environment, name);
      if (!TRY(query.step()))
        return fail(Errc::not_found, fmt::format("there is no such deployment in {}", hauberk::name(environment)),
                    std::string(name));
      deployment.current = static_cast<std::uint64_t>(query.integer(0));
    }
    Query query(db_,
                "SELECT id, model, version, artifact, config, time, subject, reason FROM deployment_entries WHERE "
                "environment = ? AND name = ? ORDER BY id",
                environment, name);
    while (TRY(query.step())) {
      DeploymentEntry entry{
          static_cast<std::uint64_t>(query.integer(0)), {}, query.instant(5), query.text(6), query.text(7)};
      if (!query.is_null(1)) {
        entry.spec.model = query.text(1);
        entry.spec.version = static_cast<std::uint32_t>(query.integer(2));
        entry.spec.artifact = TRY(query.digest(3));
      }
      entry.spec.config = TRY(json::parse(query.text(4)));
      deployment.history.push_back(std::move(entry));
    }
    return deployment;
  }

  std::mutex mutex_;
  Database db_;
};

}  // namespace

Result<std::unique_ptr<Catalog>> open_catalog_sqlite(const std::string& path, CatalogMode mode) {
  const bool in_memory = path == ":memory:";
  if (!in_memory) {
    CHECK(check_presence(path, mode));
    if (mode == CatalogMode::create) CHECK(make_file(path));
  }
  auto catalog = std::make_unique<CatalogSqlite>(path);
  CHECK(catalog->start(mode, in_memory));
  return catalog;
}

int catalog_schema_version() { return newest_schema; }

}  // namespace hauberk::adapters
