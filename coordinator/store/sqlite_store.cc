#include "coordinator/store/sqlite_store.h"

#include <sqlite3.h>

#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "proto/support/status_macros.h"

namespace autotp::store {
namespace {

constexpr int kFormatVersion = 1;

struct CloseDatabase {
  void operator()(sqlite3* database) const { sqlite3_close(database); }
};
using Database = std::unique_ptr<sqlite3, CloseDatabase>;

struct FinalizeStatement {
  void operator()(sqlite3_stmt* statement) const {
    sqlite3_finalize(statement);
  }
};
using Statement = std::unique_ptr<sqlite3_stmt, FinalizeStatement>;

absl::Status SqliteStatus(sqlite3* database, const std::string& what) {
  const int code = sqlite3_errcode(database);
  if (code == SQLITE_BUSY || code == SQLITE_LOCKED) {
    return absl::FailedPreconditionError(absl::StrCat(
        what,
        ": in use by another coordinator; stop it, or give this one "
        "another state directory"));
  }
  return absl::UnavailableError(
      absl::StrCat(what, ": ", sqlite3_errmsg(database)));
}

absl::Status Execute(sqlite3* database, const std::string& sql,
                     const std::string& what) {
  if (sqlite3_exec(database, sql.c_str(), nullptr, nullptr, nullptr) ==
      SQLITE_OK) {
    return absl::OkStatus();
  }
  return SqliteStatus(database, what);
}

absl::StatusOr<Statement> Prepare(sqlite3* database, const char* sql,
                                  const std::string& what) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(database, sql, -1, &statement, nullptr) != SQLITE_OK) {
    return SqliteStatus(database, what);
  }
  return Statement(statement);
}

std::string Column(sqlite3_stmt* statement, int column) {
  const void* data = sqlite3_column_blob(statement, column);
  const int size = sqlite3_column_bytes(statement, column);
  return data == nullptr ? std::string()
                         : std::string(static_cast<const char*>(data), size);
}

class SqliteStore final : public StateStore {
 public:
  SqliteStore(Database database, std::string path)
      : database_(std::move(database)), path_(std::move(path)) {}

  absl::Status Start(const std::string& new_uid);

  const core::Identity& identity() const override { return identity_; }

  absl::Status Commit(const std::vector<core::Write>& writes) override {
    if (writes.empty()) return absl::OkStatus();
    AUTOTP_RETURN_IF_ERROR(Execute(database_.get(), "BEGIN IMMEDIATE", path_));
    absl::Status status = WriteAll(writes);
    if (status.ok()) status = Execute(database_.get(), "COMMIT", path_);
    if (status.ok()) return status;
    // Without an open transaction this is an error that says nothing new.
    sqlite3_exec(database_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
    return absl::UnavailableError(status.message());
  }

  absl::StatusOr<std::vector<core::Row>> ReadAll() override {
    AUTOTP_ASSIGN_OR_RETURN(
        Statement statement,
        Prepare(database_.get(),
                "SELECT kind, key, value FROM record ORDER BY kind, key",
                path_));
    std::vector<core::Row> rows;
    int code;
    while ((code = sqlite3_step(statement.get())) == SQLITE_ROW) {
      rows.push_back(
          {static_cast<core::Table>(sqlite3_column_int(statement.get(), 0)),
           Column(statement.get(), 1), Column(statement.get(), 2)});
    }
    if (code != SQLITE_DONE) {
      return absl::UnavailableError(
          SqliteStatus(database_.get(), path_).message());
    }
    return rows;
  }

 private:
  absl::Status WriteAll(const std::vector<core::Write>& writes);
  absl::Status TakeEpoch(const std::string& new_uid);

  const Database database_;
  const std::string path_;
  Statement put_, erase_;
  core::Identity identity_;
};

absl::Status SqliteStore::Start(const std::string& new_uid) {
  sqlite3* database = database_.get();
  // Exclusive from the first access on: a second opener fails at once.
  AUTOTP_RETURN_IF_ERROR(
      Execute(database, "PRAGMA locking_mode=EXCLUSIVE", path_));
  AUTOTP_RETURN_IF_ERROR(Execute(database, "PRAGMA journal_mode=WAL", path_));
  AUTOTP_RETURN_IF_ERROR(Execute(database, "PRAGMA synchronous=FULL", path_));
  AUTOTP_RETURN_IF_ERROR(Execute(
      database,
      "BEGIN EXCLUSIVE;"
      "CREATE TABLE IF NOT EXISTS identity ("
      "  one INTEGER PRIMARY KEY CHECK (one = 1), format INTEGER NOT NULL,"
      "  cluster_uid TEXT NOT NULL, epoch INTEGER NOT NULL);"
      "CREATE TABLE IF NOT EXISTS record ("
      "  kind INTEGER NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL,"
      "  PRIMARY KEY (kind, key)) WITHOUT ROWID;",
      path_));
  absl::Status taken = TakeEpoch(new_uid);
  if (!taken.ok()) {
    sqlite3_exec(database, "ROLLBACK", nullptr, nullptr, nullptr);
    return taken;
  }
  AUTOTP_RETURN_IF_ERROR(Execute(database, "COMMIT", path_));
  AUTOTP_ASSIGN_OR_RETURN(
      put_, Prepare(database,
                    "INSERT INTO record (kind, key, value) VALUES (?, ?, ?) "
                    "ON CONFLICT DO UPDATE SET value = excluded.value",
                    path_));
  AUTOTP_ASSIGN_OR_RETURN(
      erase_, Prepare(database, "DELETE FROM record WHERE kind = ? AND key = ?",
                      path_));
  return absl::OkStatus();
}

absl::Status SqliteStore::TakeEpoch(const std::string& new_uid) {
  sqlite3* database = database_.get();
  AUTOTP_ASSIGN_OR_RETURN(
      Statement insert,
      Prepare(database,
              "INSERT INTO identity (one, format, cluster_uid, epoch) "
              "VALUES (1, ?, ?, 1) "
              "ON CONFLICT DO UPDATE SET epoch = epoch + 1 "
              "RETURNING format, cluster_uid, epoch",
              path_));
  sqlite3_bind_int(insert.get(), 1, kFormatVersion);
  sqlite3_bind_text(insert.get(), 2, new_uid.data(),
                    static_cast<int>(new_uid.size()), SQLITE_STATIC);
  if (sqlite3_step(insert.get()) != SQLITE_ROW) {
    return SqliteStatus(database, path_);
  }
  const int format = sqlite3_column_int(insert.get(), 0);
  if (format != kFormatVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat(path_, ": format ", format, ", this coordinator reads ",
                     kFormatVersion, "; use the version that wrote it"));
  }
  identity_.cluster_uid = Column(insert.get(), 1);
  identity_.epoch = sqlite3_column_int64(insert.get(), 2);
  return absl::OkStatus();
}

absl::Status SqliteStore::WriteAll(const std::vector<core::Write>& writes) {
  for (const core::Write& write : writes) {
    sqlite3_stmt* statement = (write.value ? put_ : erase_).get();
    sqlite3_reset(statement);
    sqlite3_bind_int(statement, 1, static_cast<int>(write.table));
    sqlite3_bind_text(statement, 2, write.key.data(),
                      static_cast<int>(write.key.size()), SQLITE_STATIC);
    if (write.value) {
      sqlite3_bind_blob64(statement, 3, write.value->data(),
                          write.value->size(), SQLITE_STATIC);
    }
    const int code = sqlite3_step(statement);
    absl::Status status = code == SQLITE_DONE
                              ? absl::OkStatus()
                              : SqliteStatus(database_.get(), path_);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    AUTOTP_RETURN_IF_ERROR(status);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<StateStore>> OpenSqliteStore(
    const std::string& directory, const std::string& new_uid) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) {
    return absl::UnavailableError(
        absl::StrCat("state directory ", directory, ": ", error.message()));
  }
  const std::string path =
      (std::filesystem::path(directory) / "coordinator.db").string();
  sqlite3* raw = nullptr;
  const int code = sqlite3_open_v2(
      path.c_str(), &raw,
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX,
      nullptr);
  Database database(raw);
  if (code != SQLITE_OK) {
    return absl::UnavailableError(
        absl::StrCat(path, ": ", sqlite3_errstr(code)));
  }
  auto store = std::make_unique<SqliteStore>(std::move(database), path);
  AUTOTP_RETURN_IF_ERROR(store->Start(new_uid));
  return std::unique_ptr<StateStore>(std::move(store));
}

}  // namespace autotp::store
