/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <host/mach/archive.h>

#include <assert.h>
#include <errno.h>
#include <string.h>

#include <zlib.h>

#include <kernel/mach_user.h>

#include <host/mach/error.h>
#include <host/mach/memory.h>
#include <host/mach/tar.h>
#include <host/mach/trap.h>
#include <kit/log.h>

static_assert(sizeof(struct archive_header) == 4096, "the tar file begins on a page");

enum { ARCHIVE_SIZE_MAX = 256 << 20 };

/* Pages of another task, copied on write. */
static int task_read(mach_port_t task, uint64_t address, uint64_t size, const void **data)
{
    vm_offset_t copy = 0;
    mach_msg_type_number_t count = 0;
    kern_return_t code = vm_read(task, address, size, &copy, &count);

    if (code != KERN_SUCCESS)
        return error_from_kernel(code);
    if (count != size) {
        memory_pages_free((void *)copy, count);
        return EBADMSG;
    }
    *data = (const void *)copy;
    return 0;
}

static const char *header_problem(const struct archive_header *header)
{
    if (header->magic != ARCHIVE_MAGIC)
        return "it does not begin as one";
    if (header->size == 0 || header->size > ARCHIVE_SIZE_MAX)
        return "its length is not believable";
    return NULL;
}

int archive_take(mach_port_t task, struct archive *archive)
{
    struct archive_header header;
    const void *page = NULL, *data = NULL;
    int error = task_read(task, ARCHIVE_BASE, sizeof(header), &page);

    if (error != 0) {
        log_error("there is no boot archive: is its module in the boot menu?");
        return error;
    }
    memcpy(&header, page, sizeof(header));
    memory_pages_free((void *)page, sizeof(header));

    const char *problem = header_problem(&header);
    uint64_t pages = (header.size + 4095) & ~UINT64_C(4095);
    if (!problem && task_read(task, ARCHIVE_BASE + sizeof(header), pages, &data) != 0)
        problem = "it is shorter than its header says";
    if (!problem && crc32(0, data, (uInt)header.size) != header.crc32)
        problem = "its checksum is wrong";
    if (!problem && archive_check(data, header.size) != 0)
        problem = "its list of files is malformed";
    if (problem) {
        if (data)
            memory_pages_free((void *)data, pages);
        log_error("the boot archive is corrupt: %s", problem);
        return EBADMSG;
    }
    archive->data = data;
    archive->size = header.size;
    return 0;
}

int archive_check(const uint8_t *data, size_t size)
{
    struct tar_file file;
    size_t offset = 0;
    int error = 0;

    while (error == 0)
        error = tar_next(data, size, &offset, &file);
    return error == ENOENT ? 0 : error;
}

int archive_find(const struct archive *archive, const char *name, const void **data, size_t *size)
{
    struct tar_file file;
    size_t offset = 0;
    int error;

    while ((error = tar_next(archive->data, archive->size, &offset, &file)) == 0) {
        if (strcmp(file.name, name) == 0) {
            *data = file.data;
            *size = file.size;
            return 0;
        }
    }
    return error;
}

int archive_each(const struct archive *archive,
                 int (*visit)(void *context, const char *name, const void *data, size_t size),
                 void *context)
{
    struct tar_file file;
    size_t offset = 0;
    int error;

    while ((error = tar_next(archive->data, archive->size, &offset, &file)) == 0) {
        int result = visit(context, file.name, file.data, file.size);
        if (result != 0)
            return result;
    }
    return error == ENOENT ? 0 : error;
}
