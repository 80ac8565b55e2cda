/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Whatever the JSON guard accepts, json-glib parses.
 */
#include "config.h"

#include "json.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  const char *text = (const char *) data;

  if (vpnd_json_check (text, size, NULL))
    {
      g_autoptr (JsonParser) parser = json_parser_new ();
      g_autoptr (GError) error = NULL;

      if (!json_parser_load_from_data (parser, text, (gssize) size, &error))
        g_error ("the guard accepts what json-glib refuses: %s", error->message);
    }
  return 0;
}
