/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Files.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>

#include <sha2.h>

#include <interface/fs.h>
#include <interface/fs_user.h>
#include <interface/supervisor_user.h>
#include <kernel/mach_port_user.h>

#include <host/mach/error.h>
#include <host/mach/memory.h>
#include <host/mach/port.h>
#include <host/mach/trap.h>

#include "console.h"
#include "mounts.h"
#include "shell.h"
#include "walk.h"

enum { PIECE = 1 << 20 };

static int status_get(mach_port_t fs, const char *path, bool follow, struct fs_status *status)
{
    char record[2048];
    mach_msg_type_number_t size = sizeof(record);
    int error = error_from_kernel(fs_lookup(fs, path, follow, record, &size));

    if (error == 0 && size != sizeof(*status))
        error = EPROTO;
    if (error == 0)
        memcpy(status, record, sizeof(*status));
    return error;
}

static bool is_dead(mach_port_t right)
{
    mach_port_type_t type = 0;

    return mach_port_type(mach_task_self(), right, &type) != KERN_SUCCESS ||
           (type & MACH_PORT_TYPE_DEAD_NAME);
}

/* Its service died. What that had not written is lost, and nobody knows what is half written: what
 * there is may be read, until somebody repairs it. */
static int mount_again(struct mount *mount)
{
    mach_port_t fs;
    int error = error_from_kernel(supervisor_mount(shell_supervisor, mount->device, TRUE, &fs));

    if (error != 0)
        return error;
    port_release(mount->fs);
    mount->fs = fs;
    console_print("%s: its file system service died: mounted again, to be read only\n",
                  mount->device);
    return 0;
}

static int path_resolve(const char *path, struct mount **mount, char *inside)
{
    int error = mounts_resolve(path, mount, inside);

    return error == 0 && is_dead((*mount)->fs) ? mount_again(*mount) : error;
}

static int path_status(const char *path, bool follow, struct mount **mount, char *inside,
                       struct fs_status *status)
{
    int error = path_resolve(path, mount, inside);

    return error ? error : status_get((*mount)->fs, inside, follow, status);
}

/* Call with each piece of a file's contents. */
static int content_each(mach_port_t fs, uint32_t inode,
                        int (*use)(void *context, const char *data, size_t size), void *context)
{
    for (uint64_t offset = 0;; offset += PIECE) {
        records_t data = NULL;
        mach_msg_type_number_t size = 0;
        int error = error_from_kernel(fs_read(fs, inode, offset, PIECE, &data, &size));
        if (error != 0)
            return error;
        if (size != 0)
            error = use(context, data, size);
        memory_pages_free(data, size);
        if (error != 0 || size < PIECE)
            return error;
    }
}

static void mode_print(uint32_t mode)
{
    static const char types[] = "?pc?d?b?-?l?s???", bits[] = "rwxrwxrwx";
    char text[11];

    text[0] = types[mode >> 12 & 15];
    for (unsigned i = 0; i < 9; i++)
        text[1 + i] = mode & (0400u >> i) ? bits[i] : '-';
    text[10] = '\0';
    console_print("%s", text);
}

struct listing {
    struct mount *mount;
    const char *path;
    bool details;
    int status;
};

static int details_print(const struct listing *listing, const char *path, const char *name)
{
    struct fs_status status;
    path_t target;
    int error = status_get(listing->mount->fs, path, false, &status);

    if (error != 0)
        return shell_complain("ls", path, error);
    mode_print(status.mode);
    console_print(" %3u %5u %5u %10llu %s", status.links, status.uid, status.gid,
                  (unsigned long long)status.size, name);
    if (S_ISLNK(status.mode) && fs_readlink(listing->mount->fs, status.inode, target) == 0)
        console_print(" -> %.*s", (int)sizeof(target) - 1, target);
    console_print("\n");
    return 0;
}

static int entry_list(void *context, const struct walk_entry *entry)
{
    struct listing *listing = context;
    char path[MOUNT_PATH_SIZE + 256];

    if (!listing->details) {
        console_print("%s\n", entry->name);
        return 0;
    }
    snprintf(path, sizeof(path), "%s/%s", strcmp(listing->path, "/") ? listing->path : "",
             entry->name);
    listing->status |= details_print(listing, path, entry->name);
    return 0;
}

static int list(const char *path, bool details)
{
    struct fs_status status;
    char inside[MOUNT_PATH_SIZE];
    struct listing listing = {.path = inside, .details = details};
    int error = path_status(path, true, &listing.mount, inside, &status);

    if (error != 0)
        return shell_complain("ls", path, error);
    if (S_ISDIR(status.mode))
        error = walk_directory(listing.mount->fs, status.inode, entry_list, &listing);
    else if (details)
        listing.status = details_print(&listing, inside, path);
    else
        console_print("%s\n", path);
    return error ? shell_complain("ls", path, error) : listing.status;
}

static int ls_run(unsigned count, char **words)
{
    bool details = count > 1 && strcmp(words[1], "-l") == 0;
    unsigned first = details ? 2 : 1;
    int status = 0;

    if (first == count)
        return list("/", details);
    for (unsigned i = first; i < count; i++)
        status |= list(words[i], details);
    return status;
}

static int print_piece(void *context, const char *data, size_t size)
{
    (void)context;
    console_write(data, size);
    return 0;
}

static int cat_run(unsigned count, char **words)
{
    struct fs_status status;
    struct mount *mount;
    char inside[MOUNT_PATH_SIZE];
    int result = 0;

    if (count < 2)
        return SHELL_USAGE;
    for (unsigned i = 1; i < count; i++) {
        int error = path_status(words[i], true, &mount, inside, &status);
        if (error == 0)
            error = content_each(mount->fs, status.inode, print_piece, NULL);
        if (error != 0)
            result = shell_complain("cat", words[i], error);
    }
    return result;
}

struct copy {
    mach_port_t fs;
    uint32_t inode;
    uint64_t offset, written; /* `written`: where the last piece that was no hole ended */
};

/* Pieces of zeroes become holes: a sparse file may be longer than the disk. */
static int copy_piece(void *context, const char *data, size_t size)
{
    struct copy *copy = context;
    bool zero = data[0] == 0 && memcmp(data, data + 1, size - 1) == 0;
    int error = 0;

    if (!zero) {
        error = error_from_kernel(fs_write(copy->fs, copy->inode, copy->offset, (records_t)data,
                                           (mach_msg_type_number_t)size));
        copy->written = copy->offset + size;
    }
    copy->offset += size;
    return error;
}

/* The file to copy `source` (of file system `from`) into: an empty one of that name, or in that
 * directory. EINVAL: it is the source itself. */
static int copy_target(const char *path, const char *name, mach_port_t from,
                       const struct fs_status *source, struct copy *copy)
{
    struct fs_status status;
    struct mount *mount;
    char inside[MOUNT_PATH_SIZE], below[MOUNT_PATH_SIZE + 256];
    const char *slash = strrchr(name, '/');
    int error = path_resolve(path, &mount, inside);

    if (error != 0)
        return error;
    copy->fs = mount->fs;
    snprintf(below, sizeof(below), "%s", inside);
    error = status_get(mount->fs, inside, true, &status);
    if (error == 0 && S_ISDIR(status.mode)) {
        snprintf(below, sizeof(below), "%s/%s", strcmp(inside, "/") ? inside : "",
                 slash ? slash + 1 : name);
        if (strlen(below) >= sizeof(path_t))
            return ENAMETOOLONG;
        error = status_get(mount->fs, below, true, &status);
    }
    if (error == ENOENT)
        return error_from_kernel(
            fs_create(mount->fs, below, S_IFREG | (source->mode & 0777), &copy->inode));
    if (error != 0)
        return error;
    if (mount->fs == from && status.inode == source->inode)
        return EINVAL;
    copy->inode = status.inode;
    return error_from_kernel(fs_truncate(mount->fs, status.inode, 0));
}

static int cp_run(unsigned count, char **words)
{
    struct fs_status status;
    struct mount *mount;
    struct copy copy = {0};
    char inside[MOUNT_PATH_SIZE];

    if (count != 3)
        return SHELL_USAGE;
    int error = path_status(words[1], true, &mount, inside, &status);
    if (error == 0 && !S_ISREG(status.mode))
        error = S_ISDIR(status.mode) ? EISDIR : EINVAL;
    if (error != 0)
        return shell_complain("cp", words[1], error);
    error = copy_target(words[2], words[1], mount->fs, &status, &copy);
    if (error == 0)
        error = content_each(mount->fs, status.inode, copy_piece, &copy);
    if (error == 0 && copy.written != copy.offset)
        error = error_from_kernel(fs_truncate(copy.fs, copy.inode, copy.offset));
    return error ? shell_complain("cp", words[2], error) : 0;
}

static int each_path(const char *command, unsigned count, char **words,
                     int (*act)(mach_port_t fs, const char *inside))
{
    struct mount *mount;
    char inside[MOUNT_PATH_SIZE];
    int status = 0;

    if (count < 2)
        return SHELL_USAGE;
    for (unsigned i = 1; i < count; i++) {
        int error = path_resolve(words[i], &mount, inside);
        if (error == 0)
            error = act(mount->fs, inside);
        if (error != 0)
            status = shell_complain(command, words[i], error);
    }
    return status;
}

static int remove_one(mach_port_t fs, const char *inside)
{
    return error_from_kernel(fs_remove(fs, inside));
}

static int directory_one(mach_port_t fs, const char *inside)
{
    unsigned inode;

    return error_from_kernel(fs_create(fs, inside, S_IFDIR | 0755, &inode));
}

static int rm_run(unsigned count, char **words)
{
    return each_path("rm", count, words, remove_one);
}

static int mkdir_run(unsigned count, char **words)
{
    return each_path("mkdir", count, words, directory_one);
}

static int hash_piece(void *context, const char *data, size_t size)
{
    SHA256Update(context, (const uint8_t *)data, size);
    return 0;
}

static int hash_print(mach_port_t fs, uint32_t inode, const char *name)
{
    SHA2_CTX state;
    uint8_t digest[SHA256_DIGEST_LENGTH];
    char text[2 * SHA256_DIGEST_LENGTH + 1];

    SHA256Init(&state);
    int error = content_each(fs, inode, hash_piece, &state);
    if (error != 0)
        return error;
    SHA256Final(digest, &state);
    for (unsigned i = 0; i < sizeof(digest); i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
    console_print("%s  ", text);
    console_write(name, strlen(name));
    console_print("\n");
    return 0;
}

static int hash_found(void *context, const struct walk_file *file)
{
    mach_port_t fs = *(mach_port_t *)context;
    int error = hash_print(fs, file->inode, file->path);

    if (error != 0)
        shell_complain("sha256sum", file->path, error);
    return error;
}

static int sha256sum_run(unsigned count, char **words)
{
    bool recursive = count > 1 && strcmp(words[1], "-r") == 0;
    struct fs_status status;
    struct mount *mount;
    char inside[MOUNT_PATH_SIZE];
    int result = 0;

    if (count < (recursive ? 3u : 2u))
        return SHELL_USAGE;
    for (unsigned i = recursive ? 2 : 1; i < count; i++) {
        int error = path_status(words[i], true, &mount, inside, &status);
        if (error == 0 && recursive && S_ISDIR(status.mode))
            error = walk_tree(mount->fs, status.inode, hash_found, &mount->fs);
        else if (error == 0)
            error = hash_print(mount->fs, status.inode, words[i]);
        if (error != 0)
            result = shell_complain("sha256sum", words[i], error);
    }
    return result;
}

enum { PROGRAM_SIZE_MAX = 16 << 20 };

struct program {
    char *data;
    size_t size;
};

static int program_add(void *context, const char *data, size_t size)
{
    struct program *program = context;

    if (size > PROGRAM_SIZE_MAX - program->size)
        return EFBIG;
    memcpy(program->data + program->size, data, size);
    program->size += size;
    return 0;
}

static int upgrade_run(unsigned count, char **words)
{
    struct program program = {0};
    struct fs_status status;
    struct mount *mount;
    char inside[MOUNT_PATH_SIZE];

    if (count != 3)
        return SHELL_USAGE;
    int error = path_status(words[2], true, &mount, inside, &status);
    if (error == 0 && !S_ISREG(status.mode))
        error = EISDIR;
    if (error == 0 && !(program.data = memory_pages_allocate(PROGRAM_SIZE_MAX)))
        error = ENOMEM;
    if (error == 0)
        error = content_each(mount->fs, status.inode, program_add, &program);
    if (error != 0) {
        memory_pages_free(program.data, PROGRAM_SIZE_MAX);
        return shell_complain("upgrade", words[2], error);
    }
    error = error_from_kernel(supervisor_upgrade(shell_supervisor, words[1], program.data,
                                                 (mach_msg_type_number_t)program.size));
    memory_pages_free(program.data, PROGRAM_SIZE_MAX);
    return error ? shell_complain("upgrade", words[1], error) : 0;
}

const struct command commands_files[] = {
    {"ls", "[-l] [PATH...]", "list directories; -l: details", ls_run},
    {"cat", "FILE...", "print files", cat_run},
    {"cp", "SOURCE TARGET", "copy a file, also between file systems", cp_run},
    {"rm", "PATH...", "remove files, links, empty directories", rm_run},
    {"mkdir", "PATH...", "make directories", mkdir_run},
    {"sha256sum", "[-r] PATH...", "checksums; -r: of every file below", sha256sum_run},
    {"upgrade", "DRIVER FILE", "have another program drive the device; the old one if it fails",
     upgrade_run},
    {0},
};
