/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Any text as a driver's manifest, and any function for it to match.
 */
#include <errno.h>

#include <server/supervisor/manifest.h>
#include <test/fuzz/fuzz.h>

static void name_check(const char *name, size_t size)
{
    fuzz_require(name[0] != '\0' && strnlen(name, size) < size);
    fuzz_require(strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(name));
}

static void match_check(const struct manifest *manifest, unsigned pick)
{
    struct pci_function_info function = {
        .class_code = manifest->class_code,
        .subclass = manifest->subclass,
        .interface = manifest->interface,
    };

    if (manifest->id_count > 0) {
        function.vendor = manifest->id[pick % manifest->id_count].vendor;
        function.device_id = manifest->id[pick % manifest->id_count].device;
        fuzz_require(manifest_match(manifest, &function) == 2);
    } else {
        fuzz_require(manifest_match(manifest, &function) == 1);
    }
    fuzz_require(manifest_choose(manifest, 1, &function) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct manifest manifest;
    char problem[160];
    int error = manifest_parse((const char *)data, size, &manifest, problem, sizeof(problem));

    fuzz_require(strnlen(problem, sizeof(problem)) < sizeof(problem));
    fuzz_require((error == 0) == (problem[0] == '\0'));
    fuzz_require(error == 0 || error == EBADMSG || error == ENOMEM);
    if (error != 0)
        return 0;
    name_check(manifest.program, sizeof(manifest.program));
    name_check(manifest.class, sizeof(manifest.class));
    fuzz_require(manifest.vectors > 0 && manifest.vectors < 10000);
    fuzz_require(manifest.id_count <= MANIFEST_IDS_MAX);
    fuzz_require(manifest.bus == MANIFEST_ISA || manifest.bus == MANIFEST_PCI);
    fuzz_require(manifest.bus == MANIFEST_ISA ? manifest.fixed_count > 0
                                              : manifest.id_count > 0 || manifest.has_class);
    match_check(&manifest, (unsigned)size);
    return 0;
}
