/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The ELF loader. The image is checked whole before a task exists; what is loaded afterwards is
 * copied from ranges that the check has seen.
 */
#include <host/mach/task.h>

#include <elf.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include <mach/machine/thread_status.h>
#include <mach/machine/vm_param.h>
#include <mach/task_special_ports.h>

#include <kernel/gnumach_user.h>

#include <kernel/mach_host_user.h>
#include <kernel/mach_port_user.h>
#include <kernel/mach_user.h>

#include <host/mach/error.h>
#include <host/mach/memory.h>
#include <host/mach/port.h>
#include <host/mach/trap.h>
#include <kit/log.h>

#define TASK_STACK_TOP   UINT64_C(0x7f0000000000)
#define TASK_STACK_SIZE  UINT64_C(0x40000)
#define TASK_LOWEST      UINT64_C(0x10000) /* nothing of a program is at a null pointer or near it */
#define TASK_IMAGE_LIMIT UINT64_C(0x10000000)
#define PAGE             UINT64_C(4096)

enum { TASK_SEGMENTS_MAX = 16, TASK_ARGUMENTS_MAX = 16, TASK_ARGUMENT_BYTES = 2048 };

static uint64_t page_down(uint64_t address)
{
    return address & ~(PAGE - 1);
}

static uint64_t page_up(uint64_t address)
{
    return (address + PAGE - 1) & ~(PAGE - 1);
}

static const char *segment_problem(const struct task_image *image, const Elf64_Phdr *segment,
                                   uint64_t *end)
{
    if (segment->p_filesz > segment->p_memsz)
        return "a segment is longer in the file than in memory";
    if (segment->p_offset > image->size || segment->p_filesz > image->size - segment->p_offset)
        return "a segment reaches past the end of the file";
    if (segment->p_memsz > TASK_IMAGE_LIMIT || segment->p_vaddr > VM_MAX_ADDRESS / 2 ||
        segment->p_vaddr < TASK_LOWEST)
        return "a segment lies outside the space for programs";
    if (page_down(segment->p_vaddr) < *end)
        return "segments overlap or share a page";
    *end = page_up(segment->p_vaddr + segment->p_memsz);
    return NULL;
}

/* Why this is no executable that we can load, or null. */
static const char *image_problem(const struct task_image *image, Elf64_Ehdr *header,
                                 Elf64_Phdr *segments)
{
    if (image->size < sizeof(*header))
        return "it is too short for an ELF header";
    memcpy(header, image->data, sizeof(*header));
    if (memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 || header->e_ident[EI_CLASS] != ELFCLASS64 ||
        header->e_machine != EM_X86_64 || header->e_type != ET_EXEC)
        return "it is not a static ELF64 executable for x86-64";
    if (header->e_phentsize != sizeof(Elf64_Phdr) || header->e_phnum == 0 ||
        header->e_phnum > TASK_SEGMENTS_MAX)
        return "its program headers are not of the usual form";
    if (header->e_phoff > image->size ||
        header->e_phnum * sizeof(Elf64_Phdr) > image->size - header->e_phoff)
        return "its program headers reach past the end of the file";
    memcpy(segments, (const char *)image->data + header->e_phoff,
           header->e_phnum * sizeof(Elf64_Phdr));

    uint64_t end = 0;
    for (unsigned i = 0; i < header->e_phnum; i++) {
        if (segments[i].p_type == PT_INTERP)
            return "it wants a dynamic linker";
        if (segments[i].p_type != PT_LOAD || segments[i].p_memsz == 0)
            continue;
        const char *problem = segment_problem(image, &segments[i], &end);
        if (problem)
            return problem;
    }
    return end == 0 ? "it has nothing to load" : NULL;
}

/* What of the image is in the task as it is: whole pages of the program's file, which share memory
 * with it until somebody writes to them. Null: they do not lie on pages here, or the last one is
 * not whole. */
static const void *segment_pages(const struct task_image *image, const Elf64_Phdr *segment,
                                 uint64_t size)
{
    uint64_t lead = segment->p_vaddr - page_down(segment->p_vaddr);

    if (!image->shared || (segment->p_flags & PF_W) || segment->p_filesz != segment->p_memsz ||
        lead > segment->p_offset || size > image->size - (segment->p_offset - lead))
        return NULL;
    const char *pages = (const char *)image->data + segment->p_offset - lead;
    return (uintptr_t)pages % PAGE == 0 ? pages : NULL;
}

/* The rest of the segment stays as it was allocated, which is zero. */
static kern_return_t segment_copy(mach_port_t task, const struct task_image *image,
                                  const Elf64_Phdr *segment, vm_address_t start)
{
    uint64_t lead = segment->p_vaddr - start, size = page_up(lead + segment->p_filesz);

    if (segment->p_filesz == 0)
        return KERN_SUCCESS;
    unsigned char *copy = memory_pages_allocate(size);
    if (!copy)
        return KERN_RESOURCE_SHORTAGE;
    memcpy(copy + lead, (const char *)image->data + segment->p_offset, segment->p_filesz);
    kern_return_t code = vm_write(task, start, (vm_offset_t)copy, (mach_msg_type_number_t)size);
    memory_pages_free(copy, size);
    return code;
}

static int segment_load(mach_port_t task, const struct task_image *image, const Elf64_Phdr *segment)
{
    vm_address_t start = page_down(segment->p_vaddr);
    uint64_t size = page_up(segment->p_vaddr + segment->p_memsz) - start;
    const void *pages = segment_pages(image, segment, size);
    vm_prot_t protection = ((segment->p_flags & PF_R) ? VM_PROT_READ : 0) |
                           ((segment->p_flags & PF_W) ? VM_PROT_WRITE : 0) |
                           ((segment->p_flags & PF_X) ? VM_PROT_EXECUTE : 0);

    kern_return_t code = vm_allocate(task, &start, size, FALSE);
    if (code == KERN_SUCCESS)
        code = pages ? vm_write(task, start, (vm_offset_t)pages, (mach_msg_type_number_t)size)
                     : segment_copy(task, image, segment, start);
    if (code == KERN_SUCCESS)
        code = vm_protect(task, start, size, FALSE, protection);
    return error_from_kernel(code);
}

/* The stack's top page as the System V ABI wants it at entry: argc, argv, null, no environment. */
static int stack_load(mach_port_t task, const char *const *argv, uint64_t *stack)
{
    vm_address_t base = TASK_STACK_TOP - TASK_STACK_SIZE;
    vm_address_t page_address = TASK_STACK_TOP - PAGE;
    unsigned count = 0;

    while (argv[count])
        count++;
    if (count > TASK_ARGUMENTS_MAX)
        return E2BIG;

    unsigned char *page = memory_pages_allocate(PAGE);
    if (!page)
        return ENOMEM;

    size_t text = PAGE - TASK_ARGUMENT_BYTES;
    uint64_t words[TASK_ARGUMENTS_MAX + 3] = {count};
    for (unsigned i = 0; i < count; i++) {
        size_t length = strlen(argv[i]) + 1;
        if (length > PAGE - text) {
            memory_pages_free(page, PAGE);
            return E2BIG;
        }
        memcpy(page + text, argv[i], length);
        words[1 + i] = page_address + text;
        text += length;
    }
    uint64_t offset = PAGE - TASK_ARGUMENT_BYTES - sizeof(words);
    offset &= ~UINT64_C(15);
    memcpy(page + offset, words, sizeof(words));

    kern_return_t code = vm_allocate(task, &base, TASK_STACK_SIZE, FALSE);
    if (code == KERN_SUCCESS)
        code = vm_write(task, page_address, (vm_offset_t)page, PAGE);
    memory_pages_free(page, PAGE);
    *stack = page_address + offset;
    return error_from_kernel(code);
}

/* The first page. The kernel panics when a task goes on at an address that no processor takes and
 * whose lower half is there (doc/security.md, "The kernel's hole", 5), unless the page is present.
 * It is full of breakpoints, and what is read there as a pointer is no address either. */
static int first_page_load(mach_port_t task)
{
    unsigned char *page = memory_pages_allocate(PAGE);
    vm_address_t start = 0;

    if (!page)
        return ENOMEM;
    memset(page, 0xcc, PAGE);
    mach_port_t host = mach_host_self();
    kern_return_t code = vm_allocate(task, &start, PAGE, FALSE);
    if (code == KERN_SUCCESS)
        code = vm_write(task, start, (vm_offset_t)page, PAGE);
    if (code == KERN_SUCCESS)
        code = vm_protect(task, start, PAGE, FALSE, VM_PROT_READ | VM_PROT_EXECUTE);
    if (code == KERN_SUCCESS)
        code = vm_wire(host, task, start, PAGE, VM_PROT_READ);
    port_release(host);
    memory_pages_free(page, PAGE);
    return error_from_kernel(code);
}

static int thread_load(mach_port_t task, uint64_t entry, uint64_t stack, mach_port_t *thread)
{
    struct i386_thread_state state = {0};
    mach_msg_type_number_t count = i386_THREAD_STATE_COUNT;
    kern_return_t code = *thread == MACH_PORT_NULL ? thread_create(task, thread) : KERN_SUCCESS;

    if (code == KERN_SUCCESS)
        code = thread_get_state(*thread, i386_THREAD_STATE, (thread_state_t)&state, &count);
    if (code == KERN_SUCCESS) {
        state.rip = entry;
        state.ursp = stack;
        code = thread_set_state(*thread, i386_THREAD_STATE, (thread_state_t)&state,
                                i386_THREAD_STATE_COUNT);
    }
    return error_from_kernel(code);
}

int task_load(const char *name, const struct task_image *image, const char *const *argv,
              mach_port_t bootstrap, struct task *result)
{
    Elf64_Ehdr header;
    Elf64_Phdr segments[TASK_SEGMENTS_MAX];
    const char *problem = image_problem(image, &header, segments);

    if (problem) {
        log_error("%s: cannot be started: %s", name, problem);
        return ENOEXEC;
    }

    struct task task = *result;
    uint64_t stack = 0;
    int error = task.task == MACH_PORT_NULL
                    ? error_from_kernel(task_create(mach_task_self(), FALSE, &task.task))
                    : 0;
    if (error != 0)
        return error;
    task_set_name(task.task, name);
    error = error_from_kernel(task_set_special_port(task.task, TASK_BOOTSTRAP_PORT, bootstrap));
    for (unsigned i = 0; i < header.e_phnum && error == 0; i++) {
        if (segments[i].p_type == PT_LOAD && segments[i].p_memsz != 0)
            error = segment_load(task.task, image, &segments[i]);
    }
    if (error == 0)
        error = first_page_load(task.task);
    if (error == 0)
        error = stack_load(task.task, argv, &stack);
    if (error == 0)
        error = thread_load(task.task, header.e_entry, stack, &task.thread);
    if (error != 0)
        task_kill(&task);
    *result = task;
    return error;
}

int task_begin(const struct task *task)
{
    return error_from_kernel(thread_resume(task->thread));
}

void task_kill(struct task *task)
{
    if (task->task != MACH_PORT_NULL)
        task_terminate(task->task);
    port_release(task->thread);
    port_release(task->task);
    task->task = task->thread = MACH_PORT_NULL;
}
