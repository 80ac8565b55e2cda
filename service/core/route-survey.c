/* SPDX-FileCopyrightText: 2026 The vpnd authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The value of core/route-survey.h.
 */
#include "config.h"

#include "route-survey.h"

#include <string.h>

/**
 * vpnd_route_survey_new:
 *
 * Makes an empty survey. Who reads the kernel fills it before sharing it.
 *
 * Returns: (transfer full): a new survey
 */
VpndRouteSurvey *
vpnd_route_survey_new (void)
{
  VpndRouteSurvey *survey = g_new0 (VpndRouteSurvey, 1);

  g_atomic_ref_count_init (&survey->ref_count);
  survey->links = g_array_new (FALSE, TRUE, sizeof (VpndSurveyLink));
  survey->addresses = g_array_new (FALSE, TRUE, sizeof (VpndPrefix));
  survey->routes = g_array_new (FALSE, TRUE, sizeof (VpndSurveyRoute));
  survey->defaults = g_array_new (FALSE, TRUE, sizeof (VpndSurveyRoute));
  survey->rules = g_array_new (FALSE, TRUE, sizeof (VpndSurveyRule));
  return survey;
}

/**
 * vpnd_route_survey_ref:
 * @survey: a survey
 *
 * Returns: (transfer full): @survey
 */
VpndRouteSurvey *
vpnd_route_survey_ref (VpndRouteSurvey *survey)
{
  g_atomic_ref_count_inc (&survey->ref_count);
  return survey;
}

/**
 * vpnd_route_survey_unref:
 * @survey: (transfer full) (nullable): a survey
 */
void
vpnd_route_survey_unref (VpndRouteSurvey *survey)
{
  if (survey == NULL || !g_atomic_ref_count_dec (&survey->ref_count))
    return;

  g_array_unref (survey->links);
  g_array_unref (survey->addresses);
  g_array_unref (survey->routes);
  g_array_unref (survey->defaults);
  g_array_unref (survey->rules);
  g_free (survey);
}

/**
 * vpnd_route_survey_find_link:
 * @survey: a survey
 * @ifname: a name
 *
 * Returns: (transfer none) (nullable): the link of that name
 */
const VpndSurveyLink *
vpnd_route_survey_find_link (const VpndRouteSurvey *survey, const char *ifname)
{
  for (guint i = 0; i < survey->links->len; i++)
    {
      const VpndSurveyLink *link = &g_array_index (survey->links, VpndSurveyLink, i);

      if (strcmp (link->ifname, ifname) == 0)
        return link;
    }
  return NULL;
}
