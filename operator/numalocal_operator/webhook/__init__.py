"""The webhook that gives any pod what it asks for by annotation.

review      an AdmissionReview in, its answer out
server      HTTPS around it
authority   keys and certificates as values: what there is, what is to be made
keeper      keeps the Secret filled, the API server told and the server's certificate fresh
"""
