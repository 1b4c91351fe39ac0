"""From kaeru.yml to a Catalog, with every mistake found at once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from bot.catalog.document import Document, Loc, read_document
from bot.catalog.health_spec import HealthSpec
from bot.catalog.model import (
    Adapter,
    Catalog,
    Component,
    Database,
    Log,
    Metric,
    Outside,
    Service,
    Traffic,
)
from bot.catalog.people import Directory
from bot.catalog.policies import Layer, PoliciesSpec, unsatisfiable
from bot.catalog.problems import CatalogInvalid, Problem, did_you_mean
from bot.catalog.sentences import Setting, got, problems_of, setting_at
from bot.catalog.spec import FileSpec, ServiceSpec

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class Kinds:
    """The adapters' settings models by kind, as the composition root passes them in."""

    targets: Mapping[str, type[BaseModel]] = field(default_factory=dict)
    changes: Mapping[str, type[BaseModel]] = field(default_factory=dict)
    backups: Mapping[str, type[BaseModel]] = field(default_factory=dict)
    migrations: Mapping[str, type[BaseModel]] = field(default_factory=dict)
    traffic: Mapping[str, type[BaseModel]] = field(default_factory=dict)
    caches: Mapping[str, type[BaseModel]] = field(default_factory=dict)
    metrics: Mapping[str, type[BaseModel]] = field(default_factory=dict)
    logs: Mapping[str, type[BaseModel]] = field(default_factory=dict)
    notices: Mapping[str, type[BaseModel]] = field(default_factory=dict)
    on_call: Mapping[str, type[BaseModel]] = field(default_factory=dict)
    trackers: Mapping[str, type[BaseModel]] = field(default_factory=dict)
    papers: Mapping[str, type[BaseModel]] = field(default_factory=dict)


def load_catalog(
    path: Path, kinds: Kinds, *, environ: Mapping[str, str] | None = None, only: str | None = None
) -> Catalog:
    """Read and check `path`; `environ` (default: the process's) is what `${NAME}` is replaced from.

    With `only`, the other services are left out, if there is one of that name: what they lack does not matter then.
    Raises CatalogInvalid with every problem found, each with its line and column.
    """
    document = read_document(path, environ)
    if only is not None:
        document.leave_out_others(only)
    return _Loading(document, kinds, path.absolute()).catalog()


class _Loading:
    """One pass over one file. Collects problems; gives up only at the end."""

    def __init__(self, document: Document, kinds: Kinds, path: Path) -> None:
        self.document = document
        self.kinds = kinds
        self.path = path
        self.problems: list[Problem] = []
        self.raw: dict[str, Any] = {}
        self.directory = Directory()

    def catalog(self) -> Catalog:
        data = self.document.data
        if not isinstance(data, dict):
            found = got(self.document, ())
            sentence = f"expected a mapping with `services`, got {found}. See kaeru.example.yml."
            raise CatalogInvalid([*self.document.problems, self.document.problem((), sentence)])
        self.raw = {key: value for key, value in data.items() if not key.startswith("x-")}
        self.directory = Directory.of(self.raw.get("people"), self.raw.get("groups"))
        self._ambiguous_names()
        spec = self._validated(FileSpec, self.raw, ())
        shared = self._policies(("policies",), self.raw.get("policies"), ())
        services: dict[str, Service] = {}
        listed = self.raw.get("services")
        for name, raw in listed.items() if isinstance(listed, dict) else ():
            service = self._service(name, raw, spec, shared)
            if service is not None:
                services[name] = service
        self._raise_if_any()
        if spec is None:  # cannot be: what makes it None is a problem
            raise CatalogInvalid([])
        people = {p.slack: p.name for p in spec.people.values() if p.name}
        return Catalog(
            path=self.path,
            workspace=spec.workspace,
            people=people,
            services=services,
            forward_fix=spec.forward_fix,
            nudges=spec.nudges,
            emails={p.email.casefold(): p.slack for p in spec.people.values() if p.email},
        )

    def _raise_if_any(self) -> None:
        broken = {problem.path for problem in self.document.problems}
        fresh = [p for p in self.problems if p.path not in broken]
        if fresh or self.document.problems:
            raise CatalogInvalid([*self.document.problems, *fresh])

    def _validated(self, model: type[M], data: Any, at: Loc) -> M | None:
        try:
            return model.model_validate(data, context=self.directory)
        except ValidationError as error:
            self.problems += problems_of(error, self.document, at, model)
            return None

    def _ambiguous_names(self) -> None:
        for name in self.directory.groups:
            if name in self.directory.people:
                self._say(
                    ("groups", name), f"{name!r} is a person already; give the group another name.", key=True
                )

    def _say(self, loc: Loc, sentence: str, *, key: bool = False) -> None:
        self.problems.append(self.document.problem(loc, sentence, key=key))

    def _policies(self, loc: Loc, raw: Any, shared: tuple[Layer, ...]) -> tuple[Layer, ...]:
        """The layers from here on; without this one where it is not valid (that is reported elsewhere)."""
        if raw is None:
            return shared
        try:
            layers = ((loc, PoliciesSpec.model_validate(raw, context=self.directory)), *shared)
        except ValidationError:
            return shared
        for where, sentence in unsatisfiable(layers):
            self._say(where, sentence)
        return layers

    def _service(
        self, name: str, raw: Any, spec: FileSpec | None, shared: tuple[Layer, ...]
    ) -> Service | None:
        at: Loc = ("services", name)
        if not isinstance(raw, dict):
            return None
        layers = self._policies((*at, "policies"), raw.get("policies"), shared)
        components = self._components(name, raw, at)
        changes = self._adapter(raw.get("changes"), (*at, "changes"), self.kinds.changes)
        databases = self._databases(raw, at, spec)
        outside = self._outside(raw, at, spec)
        if spec is None:
            return None
        known = spec.services[name]
        return Service(
            name=name,
            description=known.description,
            public_name=known.public_name,
            owners=known.owners,
            responders=known.owners if known.responders is None else known.responders,
            stakeholders=known.stakeholders or spec.workspace.stakeholders,
            components=tuple(sorted(components, key=lambda c: (c.tier, c.name))),
            changes=changes,
            health=self._rooted_health(known.health),
            watch=known.watch,
            watch_interval=known.watch_interval,
            watch_patience=known.watch_patience,
            postmortem_template=self._template(known),
            links=tuple(known.links.items()),
            policies=layers,
            databases=databases,
            outside=outside,
        )

    def _outside(self, raw: dict[str, Any], at: Loc, spec: FileSpec | None) -> Outside:
        kinds, known = self.kinds, None if spec is None else spec.services[str(at[-1])]
        through = self._inner(raw.get("traffic"), "through", (*at, "traffic"), kinds.traffic)
        caches = self._named(raw.get("caches"), (*at, "caches"), kinds.caches)
        metrics = self._sources(raw.get("metrics"), (*at, "metrics"), kinds.metrics)
        logs = self._sources(raw.get("logs"), (*at, "logs"), kinds.logs)
        shared = self._named(self._workspace.get("notices"), ("workspace", "notices"), kinds.notices)
        notices = self._named(raw.get("notices"), (*at, "notices"), kinds.notices)
        on_call = self._adapter(raw.get("on_call"), (*at, "on_call"), kinds.on_call)
        tracker = self._adapter(raw.get("tracker"), (*at, "tracker"), kinds.trackers)
        papers = self._named(raw.get("papers"), (*at, "papers"), kinds.papers)
        if known is None:
            return Outside()
        return Outside(
            traffic=Traffic(through, known.traffic.ramp, known.traffic.maintenance)
            if through and known.traffic
            else None,
            caches=caches,
            metrics=tuple(
                Metric(n, a, known.metrics[n].expectation, required=known.metrics[n].required)
                for n, a in metrics.items()
            ),
            logs=tuple(Log(n, a, required=known.logs[n].required) for n, a in logs.items()),
            notices={**shared, **notices},
            on_call=on_call,
            tracker=tracker,
            papers=papers,
        )

    @property
    def _workspace(self) -> dict[str, Any]:
        found = self.raw.get("workspace")
        return found if isinstance(found, dict) else {}

    def _named(self, raw: Any, at: Loc, models: Mapping[str, type[BaseModel]]) -> dict[str, Adapter]:
        """The adapters of a mapping by their names, without those that are not valid."""
        listed = raw if isinstance(raw, dict) else {}
        found = {str(name): self._adapter(inner, (*at, name), models) for name, inner in listed.items()}
        return {name: adapter for name, adapter in found.items() if adapter is not None}

    def _sources(self, raw: Any, at: Loc, models: Mapping[str, type[BaseModel]]) -> dict[str, Adapter]:
        """The same where each one stands under `source`, beside what is expected of it."""
        listed = raw if isinstance(raw, dict) else {}
        found = {str(n): self._inner(inner, "source", (*at, n), models) for n, inner in listed.items()}
        return {name: adapter for name, adapter in found.items() if adapter is not None}

    def _inner(self, raw: Any, key: str, at: Loc, models: Mapping[str, type[BaseModel]]) -> Adapter | None:
        return self._adapter(raw.get(key), (*at, key), models) if isinstance(raw, dict) else None

    def _databases(self, raw: dict[str, Any], at: Loc, spec: FileSpec | None) -> tuple[Database, ...]:
        found, listed = [], raw.get("databases")
        for name, inner in listed.items() if isinstance(listed, dict) else ():
            if not isinstance(inner, dict):
                continue
            here: Loc = (*at, "databases", name)
            backup = self._adapter(inner.get("backup"), (*here, "backup"), self.kinds.backups)
            migrations = self._adapter(inner.get("migrations"), (*here, "migrations"), self.kinds.migrations)
            if inner.get("migrations") is not None and raw.get("changes") is None:
                sentence = "migrations are read from the repository of `changes`; add it to the service."
                self._say((*here, "migrations"), sentence, key=True)
            if spec is not None:
                known = spec.services[str(at[-1])].databases[name]
                found.append(
                    Database(name, backup, migrations, known.wait_for_backup, drill_every=known.drill_every)
                )
        return tuple(found)

    def _rooted_health(self, health: HealthSpec | None) -> HealthSpec | None:
        if health is None or health.ca_file is None:
            return health
        return health.model_copy(update={"ca_file": self.path.parent / health.ca_file.expanduser()})

    def _template(self, known: ServiceSpec) -> Path | None:
        return self.path.parent / known.postmortem_template if known.postmortem_template else None

    def _components(self, name: str, raw: dict[str, Any], at: Loc) -> list[Component]:
        many, single = raw.get("components"), raw.get("target")
        if single is not None and many:
            self._say((*at, "target"), "use either `target` or `components`, not both.", key=True)
            return []
        if single is not None:
            adapter = self._adapter(single, (*at, "target"), self.kinds.targets)
            return [Component(name=name, tier=0, target=adapter)] if adapter else []
        if not many:
            kind = next(iter(self.kinds.targets), "symlink")
            sentence = f"there is nothing to roll back; add `target: {{kind: {kind}, …}}` or `components`."
            self._say(at, sentence, key=True)
            return []
        found = []
        for part, inner in many.items() if isinstance(many, dict) else ():
            if not isinstance(inner, dict) or inner.get("target") is None:
                continue
            adapter = self._adapter(inner["target"], (*at, "components", part, "target"), self.kinds.targets)
            tier = inner.get("tier", 0)
            if adapter:
                found.append(Component(part, int(tier) if isinstance(tier, int | str) else 0, adapter))
        return found

    def _adapter(self, raw: Any, at: Loc, models: Mapping[str, type[BaseModel]]) -> Adapter | None:
        if not isinstance(raw, dict):
            return None  # absent, or reported by the model of the service
        kind = raw.get("kind")
        choice = f"`kind` says which adapter this is. Known: {', '.join(sorted(models)) or 'none'}."
        if not isinstance(kind, str):
            self._say(
                (*at, "kind"),
                f"expected the name of an adapter, got {got(self.document, (*at, 'kind'))}; {choice}",
            )
            return None
        model = models.get(kind)
        if model is None:
            self._say(
                (*at, "kind"),
                f"there is no adapter {kind!r} here. {did_you_mean(kind, list(models))}".strip(),
            )
            return None
        settings = {k: v for k, v in raw.items() if k != "kind" or "kind" in model.model_fields}
        validated = self._validated(model, rooted(settings, model, self.path.parent), at)
        return Adapter(kind, validated) if validated is not None else None


def rooted(settings: dict[str, Any], model: type[BaseModel], folder: Path) -> dict[str, Any]:
    """The same settings with every relative path (a field of type Path) taken from `folder`."""
    return {name: _rooted(value, setting_at(model, (name,)), folder) for name, value in settings.items()}


def _rooted(value: Any, setting: Setting, folder: Path) -> Any:
    if isinstance(value, str) and value and setting.is_path:
        return str(folder / Path(value).expanduser())
    if isinstance(value, dict) and setting.model is not None:
        return rooted(value, setting.model, folder)
    return value
