"""An identity with its first two users, on a store in memory and a settable clock."""

from argon2 import PasswordHasher
from tests.support.clouds import World, a_world

from portlight.core.drafts_identity import ProjectDraft, UserDraft
from portlight.core.errors import UnauthenticatedError
from portlight.core.identity import Project, User
from portlight.service.bootstrap import Credentials, Secrets, bootstrap
from portlight.service.identity.grants import Grant
from portlight.service.identity.identity import Identity
from portlight.service.identity.logins import NoScope, PasswordLogin, ProjectScope, Scope
from portlight.service.identity.lookup import Reference
from portlight.service.identity.sealing import Sealer
from portlight.service.identity.token import Token

CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
ROOT, WORD = "root of all", "a word"
DEFAULT = Reference(name="Default")


def user_ref(name: str, domain: str = "Default") -> Reference:
    return Reference(name=name, domain=Reference(name=domain))


def on_project(name: str) -> ProjectScope:
    return ProjectScope(project=Reference(name=name, domain=DEFAULT))


class Scene:
    """The administrator `admin` and the user `portlight`, each with a project of that name."""

    def __init__(self) -> None:
        self.world: World = a_world()
        self.sealer = Sealer.fresh()
        self.credentials: Credentials = self.bootstrap(
            Secrets(password=ROOT, is_new=True), Secrets(password=WORD, is_new=True)
        )
        self.identity = self.another_process()

    def bootstrap(self, admin: Secrets, user: Secrets) -> Credentials:
        makers = (self.sealer, CHEAP)
        return bootstrap(
            self.world.store, ids=self.world.ids, admin=admin, user=user, makers=makers
        )

    def another_process(self) -> Identity:
        """Return an identity over the same store that remembers nothing of the first."""
        return Identity(
            store=self.world.store,
            ids=self.world.ids,
            clock=self.world.clock,
            sealer=self.sealer,
            hasher=CHEAP,
        )

    def login(
        self, name: str = "portlight", password: str = WORD, scope: Scope = NoScope.DEFAULT
    ) -> Token:
        return self.identity.log_in(
            PasswordLogin(user=user_ref(name), password=password), scope, address="192.0.2.1"
        )

    def admin(self) -> Token:
        return self.login("admin", ROOT)

    def someone(self, name: str, *roles: str, project: str = "portlight") -> User:
        """Make a user (password: his name) with roles in a project."""
        admin = self.admin()
        (target,) = self.identity.projects.find(admin, {"name": [project]})
        user = self.identity.users.create(admin, UserDraft(name=name, password=name))
        for role in roles:
            self.identity.give_role(admin, Grant(user_id=user.id, role=role, project_id=target.id))
        return user

    def login_of(self, name: str, project: str = "portlight") -> Token:
        """Log in someone made by `someone`."""
        return self.login(name, name, on_project(project))

    def a_project(self, name: str = "second") -> Project:
        return self.identity.projects.create(self.admin(), ProjectDraft(name=name))

    def is_valid(self, token: Token) -> bool:
        try:
            self.identity.token_of(token.secret)
        except UnauthenticatedError:
            return False
        return True
