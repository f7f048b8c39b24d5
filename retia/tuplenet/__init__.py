"""TupleNet's network as objects of Retia: what its etcd tree holds, and what becomes of it. Pure; `cli` reads etcd."""
