"""`edge6g bench`: how fast the simulator and its doors are, in CPU time.

timing      recorded actions, and the least of repetitions slice by slice
doors       the kernel and every door over it, by scenario
sizes       worlds, nodes, a backlog, threads, memory
processes   start and compile, in processes of their own; training
report      table and JSON
"""
