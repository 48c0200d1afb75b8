/* validate_directives: KnownDirectives, UniqueDirectivesPerLocation, and their arguments. */
#include "api/graphql/engine/validate.h"

static void check_unique(struct validation *, const struct ast_directive *);

void
validate_directives(struct validation *v, struct ast_directive *list, enum gql_location where)
{
	for (struct ast_directive *d = list; d != NULL; d = d->next) {
		d->def = directive_find(v->s, d->name);
		if (d->def == NULL) {
			validate_fail(v, d->at, "Unknown directive \"@%.*s\".", NAME(d->name));
			validate_arguments(v, d->args, d->at, NULL, NULL);
			continue;
		}
		if ((d->def->locations & 1u << where) == 0)
			validate_fail(v, d->at, "Directive \"@%s\" may not be used on %s.",
			    d->def->name, gql_locations[where]);
		validate_arguments(v, d->args, d->at, NULL, d->def);
	}
	if (list != NULL && list->next != NULL)
		check_unique(v, list);
}

static void
check_unique(struct validation *v, const struct ast_directive *list)
{
	struct dict names;

	dict_init(&names, v->a);
	for (const struct ast_directive *d = list; d != NULL; d = d->next) {
		void **at;

		if (d->def == NULL || d->def->repeatable)
			continue;
		at = dict_at(&names, d->name);
		if (*at != NULL)
			validate_fail_two(v, ((const struct ast_directive *)*at)->at, d->at,
			    "The directive \"@%s\" can only be used once at this location.",
			    d->def->name);
		else
			*at = (void *)(uintptr_t)d;
	}
}
