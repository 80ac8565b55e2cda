/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See actions.h.
 */
#include "config.h"

#include "actions.h"

#include "interfaces.h"
#include "names.h"

#include <string.h>

/**
 * vpnd_actions_interfaces:
 * @out_n: (out): their number
 *
 * Returns: (transfer none) (array length=out_n): the interfaces of the object VPND_OBJECT_PATH
 */
GDBusInterfaceInfo *const *
vpnd_actions_interfaces (guint *out_n)
{
  static GDBusInterfaceInfo *const interfaces[] = {
    (GDBusInterfaceInfo *) &org_vpnd1_daemon_interface,
    (GDBusInterfaceInfo *) &org_vpnd1_profiles_interface,
    (GDBusInterfaceInfo *) &org_vpnd1_settings_interface,
    (GDBusInterfaceInfo *) &org_vpnd1_diagnostics_interface,
    (GDBusInterfaceInfo *) &org_vpnd1_split_tunnel_interface,
  };

  *out_n = G_N_ELEMENTS (interfaces);
  return interfaces;
}

/**
 * vpnd_actions_find_interface:
 * @interface: a name
 *
 * Returns: (transfer none) (nullable): our interface of that name
 */
GDBusInterfaceInfo *
vpnd_actions_find_interface (const char *interface)
{
  guint n;
  GDBusInterfaceInfo *const *interfaces = vpnd_actions_interfaces (&n);

  for (guint i = 0; i < n; i++)
    if (strcmp (interfaces[i]->name, interface) == 0)
      return interfaces[i];
  return NULL;
}

static const char *
annotated (GDBusAnnotationInfo **annotations)
{
  const char *action = g_dbus_annotation_info_lookup (annotations, VPND_ANNOTATION_POLKIT_ACTION);

  return action != NULL && *action != '\0' ? action : NULL;
}

/**
 * vpnd_actions_for_method:
 * @interface: an interface
 * @method: one of its methods
 *
 * Returns: (transfer none) (nullable): the action, VPND_POLKIT_NONE for everybody, or %NULL for nobody: the method does not
 *   exist or has no annotation
 */
const char *
vpnd_actions_for_method (const char *interface, const char *method)
{
  GDBusInterfaceInfo *info = vpnd_actions_find_interface (interface);
  GDBusMethodInfo *found = info != NULL ? g_dbus_interface_info_lookup_method (info, method) : NULL;

  return found != NULL ? annotated (found->annotations) : NULL;
}

/* The annotation of a property that can be written is about writing; whoever may read the state may read it. */
static const char *
read_action (const GDBusPropertyInfo *info)
{
  if ((info->flags & G_DBUS_PROPERTY_INFO_FLAGS_READABLE) == 0 || annotated (info->annotations) == NULL)
    return NULL;
  if ((info->flags & G_DBUS_PROPERTY_INFO_FLAGS_WRITABLE) != 0)
    return VPND_ACTION_READ;
  return annotated (info->annotations);
}

/**
 * vpnd_actions_for_read:
 * @interface: an interface
 * @property: (nullable): one of its properties; %NULL for all of them
 *
 * Returns: (transfer none) (nullable): as vpnd_actions_for_method(). For all properties: VPND_POLKIT_NONE when each is for
 *   everybody, the one action that the others have in common, and %NULL when there are several
 */
const char *
vpnd_actions_for_read (const char *interface, const char *property)
{
  GDBusInterfaceInfo *info = vpnd_actions_find_interface (interface);
  const char *action = VPND_POLKIT_NONE;

  if (info == NULL)
    return NULL;
  if (property != NULL)
    {
      GDBusPropertyInfo *found = g_dbus_interface_info_lookup_property (info, property);

      return found != NULL ? read_action (found) : NULL;
    }

  for (guint i = 0; info->properties != NULL && info->properties[i] != NULL; i++)
    {
      const char *one = read_action (info->properties[i]);

      if (one == NULL)
        return NULL;
      if (strcmp (one, VPND_POLKIT_NONE) == 0)
        continue;
      if (strcmp (action, VPND_POLKIT_NONE) != 0 && strcmp (action, one) != 0)
        return NULL;
      action = one;
    }
  return action;
}

/**
 * vpnd_actions_for_write:
 * @interface: an interface
 * @property: one of its properties
 *
 * Returns: (transfer none) (nullable): as vpnd_actions_for_method()
 */
const char *
vpnd_actions_for_write (const char *interface, const char *property)
{
  GDBusInterfaceInfo *info = vpnd_actions_find_interface (interface);
  GDBusPropertyInfo *found = info != NULL ? g_dbus_interface_info_lookup_property (info, property) : NULL;

  if (found == NULL || (found->flags & G_DBUS_PROPERTY_INFO_FLAGS_WRITABLE) == 0)
    return NULL;
  return annotated (found->annotations);
}
