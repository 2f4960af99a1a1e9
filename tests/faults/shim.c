/* Preloaded library: counts the calls that write below one folder, makes the n-th of them fail, records them.

   Nothing happens until faults_arm is called (through ctypes). A call counts if its path, or the file behind its
   descriptor, lies below the folder: open with O_CREAT, mkdir, write, pwrite, fsync, fdatasync, ftruncate, rename,
   unlink, and close of a descriptor that was open for writing. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What to do at the n-th call. A positive action is an errno. */
enum { COUNT = 0, KILL = -1, TORN = -2, SHORT = -3 };

static char folder[PATH_MAX];
static size_t folder_length;
static long counter, target, fired;
static int action, sticky, armed, record = -1;

/* action at call `at` and, if `from_then_on`, at every later one; `record_path` "" records nothing. */
int faults_arm(const char *below, long at, int what, int from_then_on, const char *record_path)
{
    armed = 0;
    if (!realpath(below, folder)) return -1;
    folder_length = strlen(folder);
    counter = fired = 0;
    target = at;
    action = what;
    sticky = from_then_on;
    if (*record_path) {
        record = syscall(SYS_openat, AT_FDCWD, record_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (record < 0) return -1;
    }
    armed = 1;
    return 0;
}

void faults_disarm(void) { armed = 0; }
long faults_counter(void) { return counter; }
long faults_fired(void) { return fired; }

static int below(const char *path)
{
    return strncmp(path, folder, folder_length) == 0 && (path[folder_length] == '/' || !path[folder_length]);
}

static int descriptor_path(int descriptor, char *path)
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return 1;
}

/* The absolute path of a call's argument, without following a link in its last part. */
static int argument_path(int at, const char *name, char *path)
{
    char start[PATH_MAX];
    if (name[0] == '/') return snprintf(path, PATH_MAX, "%s", name) < PATH_MAX;
    if (at == AT_FDCWD ? !getcwd(start, sizeof start) : !descriptor_path(at, start)) return 0;
    return snprintf(path, PATH_MAX, "%s/%s", start, name) < PATH_MAX;
}

static unsigned long long inode_of(const char *path)
{
    struct stat status;
    return lstat(path, &status) ? 0 : status.st_ino;
}

/* One record: a line of tab-separated fields, then `size` bytes of data. */
static void note(const char *call, const char *path, const char *other, unsigned long long inode, long long offset,
                 const void *data, size_t size)
{
    if (record < 0) return;
    char line[2 * PATH_MAX + 200];
    int length = snprintf(line, sizeof line, "%s\t%s\t%s\t%llu\t%lld\t%zu\n", call, path, other, inode, offset, size);
    syscall(SYS_write, record, line, length);
    if (size) syscall(SYS_write, record, data, size);
}

/* A word of the program under test, to be found in the record. */
void faults_mark(const char *word) { if (armed) note("mark", word, "", 0, 0, "", 0); }

/* Counts one call; returns what to do: COUNT (go on), TORN or SHORT for writes only, or an errno. */
static int decide(int is_write)
{
    counter++;
    if (!target || counter < target || (counter > target && !sticky)) return COUNT;
    if (action == COUNT) return COUNT;
    fired++;
    if (action == KILL || (action == TORN && !is_write)) kill(getpid(), SIGKILL);
    if (action == SHORT && !is_write) return COUNT;
    return action;
}

#define FAIL_IF_TOLD(is_write) \
    do { \
        int told = decide(is_write); \
        if (told > 0) { errno = told; return -1; } \
    } while (0)

#define OPEN_MODE \
    mode_t mode = 0; \
    if (flags & (O_CREAT | O_TMPFILE)) { va_list rest; va_start(rest, flags); mode = va_arg(rest, mode_t); va_end(rest); }

static int opening(int at, const char *name, int flags, mode_t mode)
{
    char path[PATH_MAX];
    int ours = armed && (flags & O_CREAT) && argument_path(at, name, path) && below(path);
    int existed = ours && inode_of(path);
    if (ours) FAIL_IF_TOLD(0);
    int descriptor = syscall(SYS_openat, at, name, flags, mode);
    if (ours && descriptor >= 0 && !existed) note("create", path, "", inode_of(path), 0, "", 0);
    else if (ours && descriptor >= 0 && (flags & O_TRUNC)) note("truncate", path, "", inode_of(path), 0, "", 0);
    return descriptor;
}

int open(const char *name, int flags, ...) { OPEN_MODE return opening(AT_FDCWD, name, flags, mode); }
int open64(const char *name, int flags, ...) { OPEN_MODE return opening(AT_FDCWD, name, flags, mode); }
int openat(int at, const char *name, int flags, ...) { OPEN_MODE return opening(at, name, flags, mode); }
int openat64(int at, const char *name, int flags, ...) { OPEN_MODE return opening(at, name, flags, mode); }

static ssize_t writing(int descriptor, const void *data, size_t size, off_t offset, int positioned)
{
    char path[PATH_MAX];
    struct stat status = {0};
    int ours = armed && descriptor_path(descriptor, path) && below(path);
    int told = COUNT;
    if (ours) {
        told = decide(1);
        if (told > 0) { errno = told; return -1; }
        if (told == TORN || told == SHORT) size = size > 1 ? size / 2 : size;
        fstat(descriptor, &status);
        if (!positioned) {
            int appending = fcntl(descriptor, F_GETFL) & O_APPEND;
            offset = appending ? status.st_size : lseek(descriptor, 0, SEEK_CUR);
        }
    }
    ssize_t done = positioned ? syscall(SYS_pwrite64, descriptor, data, size, offset)
                              : syscall(SYS_write, descriptor, data, size);
    if (told == TORN) kill(getpid(), SIGKILL);
    if (ours && done > 0) note("write", path, "", status.st_ino, offset, data, done);
    return done;
}

ssize_t write(int descriptor, const void *data, size_t size) { return writing(descriptor, data, size, 0, 0); }
ssize_t pwrite(int descriptor, const void *data, size_t size, off_t at) { return writing(descriptor, data, size, at, 1); }
ssize_t pwrite64(int descriptor, const void *data, size_t size, off_t at) { return writing(descriptor, data, size, at, 1); }

static int syncing(int descriptor, long number)
{
    char path[PATH_MAX];
    int ours = armed && descriptor_path(descriptor, path) && below(path);
    if (ours) FAIL_IF_TOLD(0);
    int result = syscall(number, descriptor);
    if (ours && !result) note("fsync", path, "", inode_of(path), 0, "", 0);
    return result;
}

int fsync(int descriptor) { return syncing(descriptor, SYS_fsync); }
int fdatasync(int descriptor) { return syncing(descriptor, SYS_fdatasync); }

static int truncating(int descriptor, off_t size)
{
    char path[PATH_MAX];
    int ours = armed && descriptor_path(descriptor, path) && below(path);
    if (ours) FAIL_IF_TOLD(0);
    int result = syscall(SYS_ftruncate, descriptor, size);
    if (ours && !result) note("truncate", path, "", inode_of(path), size, "", 0);
    return result;
}

int ftruncate(int descriptor, off_t size) { return truncating(descriptor, size); }
int ftruncate64(int descriptor, off_t size) { return truncating(descriptor, size); }

int renameat(int from_at, const char *from, int to_at, const char *to)
{
    char old[PATH_MAX], new[PATH_MAX];
    int ours = armed && argument_path(from_at, from, old) && argument_path(to_at, to, new) && (below(old) || below(new));
    unsigned long long inode = ours ? inode_of(old) : 0;
    if (ours) FAIL_IF_TOLD(0);
    int result = syscall(SYS_renameat2, from_at, from, to_at, to, 0);
    if (ours && !result) note("rename", old, new, inode, 0, "", 0);
    return result;
}

int rename(const char *from, const char *to) { return renameat(AT_FDCWD, from, AT_FDCWD, to); }

int unlinkat(int at, const char *name, int flags)
{
    char path[PATH_MAX];
    int ours = armed && argument_path(at, name, path) && below(path);
    unsigned long long inode = ours ? inode_of(path) : 0;
    if (ours) FAIL_IF_TOLD(0);
    int result = syscall(SYS_unlinkat, at, name, flags);
    if (ours && !result) note("unlink", path, "", inode, 0, "", 0);
    return result;
}

int unlink(const char *name) { return unlinkat(AT_FDCWD, name, 0); }

int mkdirat(int at, const char *name, mode_t mode)
{
    char path[PATH_MAX];
    int ours = armed && argument_path(at, name, path) && below(path);
    if (ours) FAIL_IF_TOLD(0);
    int result = syscall(SYS_mkdirat, at, name, mode);
    if (ours && !result) note("mkdir", path, "", inode_of(path), 0, "", 0);
    return result;
}

int mkdir(const char *name, mode_t mode) { return mkdirat(AT_FDCWD, name, mode); }

int close(int descriptor)
{
    char path[PATH_MAX];
    int ours = armed && (fcntl(descriptor, F_GETFL) & O_ACCMODE) != O_RDONLY && descriptor_path(descriptor, path)
               && below(path);
    if (!ours) return syscall(SYS_close, descriptor);
    int told = decide(0);
    syscall(SYS_close, descriptor); /* the descriptor is gone, whatever the answer */
    if (told > 0) { errno = told; return -1; }
    note("close", path, "", 0, 0, "", 0);
    return 0;
}
