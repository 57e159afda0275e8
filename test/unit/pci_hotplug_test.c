/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A slot with two functions that is to be emptied.
 */
#include <kit/clock.h>
#include <server/pci/hotplug.h>
#include <server/pci/serve.h>
#include <test/unit/cmocka.h>
#include <test/unit/pci_model.h>

enum { EXPRESS = 0x40, STATUS = EXPRESS + 0x1a, CONTROL = EXPRESS + 0x18, POWER_OFF = 1 << 10 };

static struct pci_model model;
static struct pci_tree tree;
static bool lent[2];
static struct clock_timer *timer;

bool serve_is_lent(const struct pci_function *function)
{
    return function->info.bus == 1 && lent[function->info.function];
}

void serve_withdraw(const struct pci_function *function)
{
    (void)function;
}

void serve_changed(void)
{
}

void clock_timer_start(struct clock_timer *started, uint64_t after, void (*expired)(void *),
                       void *context)
{
    (void)after;
    timer = started;
    timer->expired = expired;
    timer->context = context;
}

static void assign(void)
{
}

static struct pci_function *function_find(unsigned number)
{
    return pci_tree_find(&tree, pci_address(0, 1, 0, number));
}

/* Until then what the device has begun may still end in memory: whoever had the first is not told
 * that it is gone. */
static void a_slot_has_its_power_until_all_are_released(void **state)
{
    int port;

    (void)state;
    pci_model_init(&model, &tree);
    port = pci_model_bridge(&model, PCI_MODEL_ROOT, 1, 0, 1, 1);
    for (unsigned i = 0; i < 2; i++) {
        int card = pci_model_add(&model, port, 0, i, 0x1111, 0x010802);
        pci_model_poke(&model, card, PCI_HEADER_TYPE, 1, 0x80);
        lent[i] = true;
    }
    pci_model_capability(&model, port, EXPRESS, 0x10, 0);
    pci_model_poke(&model, port, EXPRESS + 2, 2, 0x0142);                /* a slot */
    pci_model_poke(&model, port, EXPRESS + 0x14, 4, 1u << 6 | 1u << 18); /* hot-plug */
    pci_model_allow(&model, port, CONTROL, 2, 0xffff);
    assert_int_equal(pci_tree_scan(&tree, 0, 0, 255), 0);
    hotplug_start(&tree, assign);

    pci_model_poke(&model, port, STATUS, 2, 0x41);
    timer->expired(timer->context);
    assert_int_equal(function_find(0)->info.leaving + function_find(1)->info.leaving, 2);
    lent[0] = false;
    assert_false(hotplug_released(function_find(0)));
    assert_int_equal(pci_model_peek(&model, port, CONTROL, 2) & POWER_OFF, 0);
    assert_true(function_find(0)->info.leaving);
    lent[1] = false;
    assert_true(hotplug_released(function_find(1)));
    assert_int_equal(pci_model_peek(&model, port, CONTROL, 2) & POWER_OFF, POWER_OFF);
    assert_null(function_find(0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slot_has_its_power_until_all_are_released),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
