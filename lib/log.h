// SPDX-License-Identifier: Apache-2.0
#pragma once

// One line per event to stderr, in the form journald understands ("<level>name: text").
// Libraries do not log; the one who gives up logs once, saying what it was doing.
// Never pass secrets: nothing here can tell a key from a name.

enum log_level {
	LOG_LEVEL_ERROR = 3,
	LOG_LEVEL_WARNING = 4,
	LOG_LEVEL_INFO = 6,
	LOG_LEVEL_DEBUG = 7
};

// name is borrowed for the life of the process. Lines above `level` are not written.
void log_init(const char *name, enum log_level level);
void log_write(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...)   log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)    log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)   log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)
